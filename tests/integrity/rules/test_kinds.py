"""Each kind of rule finds the fault that was planted and not its near miss, on either vendor, beside NULLs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrity.checks.base import Answer, Found, Held
from integrity.rules.base import Spec
from integrity.rules.kinds.count import Count
from tests.integrity.conftest import Ground
from tests.integrity.rules.spelling import rule

SHOP = """
CREATE TABLE "user" (id integer PRIMARY KEY, email text, tier integer);
CREATE TABLE wallets (id integer PRIMARY KEY, user_id integer, balance numeric);
CREATE TABLE sources (id integer PRIMARY KEY, code text, name text);
INSERT INTO "user" VALUES (1, 'ann@x.org', 0), (2, 'Ann@x.org', 7), (3, NULL, NULL), (4, NULL, 2);
INSERT INTO wallets VALUES (10, 1, 5), (11, 99, -1), (12, NULL, NULL), (13, 98, 0);
INSERT INTO sources VALUES (1, 'A', 'x'), (2, 'A', 'y'), (3, 'B', 'z'), (4, NULL, 'z'), (5, NULL, 'z');
"""
GROUPS = """
CREATE TABLE groups (id integer PRIMARY KEY, members integer, amount numeric);
CREATE TABLE members (id integer PRIMARY KEY, group_id integer, status text, kind text, amount numeric);
INSERT INTO groups VALUES (1, 2, 70.005), (2, 0, 0), (3, 3, 0.02), (4, NULL, 1), (5, 1, NULL);
INSERT INTO members VALUES (1, 1, 'active', 'in', 100), (2, 1, 'active', 'out', 30), (3, 1, 'left', 'in', 5),
  (4, 3, 'active', 'in', NULL), (5, NULL, 'active', 'in', 1), (6, 4, 'left', 'in', 9), (7, 5, 'active', 'out', 0);
"""
MEMBERS = {"table": "groups", "column": "members", "of": "members", "by": "group_id", "where": "s.status = 'active'"}
AMOUNTS = {
    "table": "groups", "column": "amount", "of": "members", "by": "group_id", "tolerance": "0.01",
    "aggregate": "sum(CASE s.kind WHEN 'in' THEN s.amount ELSE -s.amount END)", "where": "s.status = 'active'",
}  # fmt: skip
CASES: dict[str, tuple[str, dict[str, Any], set[int]]] = {  # the rule, and the keys of the rows that break it
    "orphans of a table": (
        "orphan",
        {"child": "wallets", "column": "user_id", "parent": "user", "key": "id"},
        {11, 13},
    ),
    "orphans among some rows": (
        "orphan",
        {"child": "wallets", "column": "user_id", "parent": '"user"', "key": "id", "where": "t.balance < 0 -- owed"},
        {11},
    ),
    "parents without a child": (
        "orphan",
        {"child": "user", "column": "id", "parent": "wallets", "key": "user_id"},
        {2, 3, 4},
    ),
    "orphans of a key that several parents have": (
        "orphan",
        {"child": "sources", "column": "code", "parent": "sources", "key": "code"},
        set(),
    ),
    "rows that violate": ("row", {"table": "wallets", "violates": "t.balance < 0"}, {11}),
    "rows for which nothing holds": ("row", {"table": "user", "holds": "t.tier IN (0, 1, 2)"}, {2}),
    "a count of other rows": ("aggregate", MEMBERS, {3, 4}),
    "a sum of other rows": ("aggregate", AMOUNTS, {3, 4, 5}),
    "a subquery": (
        "aggregate",
        {
            "table": "groups",
            "column": "members",
            "equals": "(SELECT count(*) FROM members m WHERE m.group_id = t.id AND m.status = 'active')",
        },
        {3, 4},
    ),
    "equal values": ("unique", {"table": "sources", "columns": ["code"]}, {1, 2}),
    "values equal together": ("unique", {"table": "sources", "columns": "code, name"}, set()),
    "values equal but for their case": ("unique", {"table": "user", "columns": "email", "ignore_case": "yes"}, {1, 2}),
    "values that differ in their case": ("unique", {"table": "user", "columns": "email"}, set()),
    "equal values among some rows": (
        "unique",
        {"table": "sources", "columns": "name", "where": "t.code IS NULL"},
        {4, 5},
    ),
}


def keys(found: Found) -> set[int]:
    assert found.sample is not None
    return {row[found.sample.columns.index("id")] for row in found.sample.rows}


def broken_by(ground: Ground, spec: Spec) -> set[int]:
    """The keys of the rows that a rule finds; its count says as many, and it is told either way."""
    (told,) = ground.look(rules=[spec])
    if isinstance(told, Held):
        return set()
    assert not told.failed, told.sentence
    assert told.count == len(keys(told))
    return keys(told)


def test_a_fault_is_found_and_its_near_miss_is_not(ground: Ground) -> None:
    ground.change(SHOP + GROUPS)
    for said, (kind, spec, wrong) in CASES.items():
        assert broken_by(ground, rule(kind, on=ground.vendor, **spec)) == wrong, said


def test_a_rule_proposes_what_would_set_it_right_unless_somebody_said_otherwise(ground: Ground) -> None:
    ground.change(SHOP + GROUPS)
    orphans: dict[str, Any] = {"child": "wallets", "column": "user_id", "parent": "user", "key": "id"}

    def proposed(fix: Any, kind: str = "orphan", **spec: Any) -> list[tuple[str, str]]:
        (found,) = ground.found(rules=[rule(kind, on=ground.vendor, fix=fix, **spec)]).values()
        assert all(each.where and each.table == found.table for each in found.proposals)
        return [(each.action, each.column) for each in found.proposals]

    assert proposed(None, **orphans) == [("delete_rows", ""), ("set_null", "user_id")]
    assert proposed({"action": "set_null"}, **orphans) == [("set_null", "user_id")]
    assert proposed({"action": "none"}, **orphans) == []
    assert proposed({"action": "set_value", "column": "balance", "value": "0"}, "row", table="wallets",
                    violates="t.balance < 0") == [("set_value", "balance")]  # fmt: skip
    (found,) = ground.found(rules=[rule("aggregate", on=ground.vendor, **MEMBERS)]).values()
    (recompute,) = found.proposals
    ground.change(f"UPDATE groups AS t SET members = {recompute.value}")
    assert broken_by(ground, rule("aggregate", on=ground.vendor, **MEMBERS)) == set()


def test_so_many_rows_may_break_a_rule_before_it_is_a_finding(ground: Ground) -> None:
    ground.change(SHOP)
    spec = {"table": "wallets", "violates": "t.balance <= 0"}
    assert broken_by(ground, rule("row", on=ground.vendor, threshold=1, **spec)) == {11, 13}
    (held,) = ground.look(rules=[rule("row", on=ground.vendor, threshold=2, **spec)])
    assert isinstance(held, Held)
    assert "2 rows break it, 2 may" in held.sentence


def times(vendor: str) -> dict[int, str]:
    """Literals by key: even keys are over, odd ones are not, or are no times."""
    at = datetime.now(UTC)
    past, future = at - timedelta(hours=3), at + timedelta(hours=3)
    found = {
        1: "NULL", 2: f"'{past:%Y-%m-%d %H:%M:%S}'", 3: f"'{future:%Y-%m-%d %H:%M:%S}'",
        4: f"'{past:%Y-%m-%dT%H:%M:%S}.250Z'", 5: f"'{future:%Y-%m-%dT%H:%M:%S}.250Z'", 7: "'soon'", 9: "''",
        11: "'2020-02-31 10:00:00'", 13: "'2020-13-01'", 6: "'2020-02-29'", 8: "'2020-01-31T23:00:00+02:00'",
        # two hours east of it, this is earlier than its digits say
        10: f"'{at + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}+02:00'", 15: "'now'", 17: "'0000-01-01'",
        12: f"'{int(past.timestamp())}'", 19: f"'{int(future.timestamp() * 1000)}'", 21: "'1.2.3'",
    }  # fmt: skip
    if vendor == "sqlite":
        found |= {14: str(int(past.timestamp())), 23: str(int(future.timestamp())), 25: "x'00'",
                  16: str(int(past.timestamp() * 1000)), 27: str(int(future.timestamp() * 1000))}  # fmt: skip
    return found


def test_a_time_is_over_in_whatever_form_it_is_kept_and_what_is_none_never_is(ground: Ground) -> None:
    given = times(ground.vendor)
    rows = ", ".join(f"({key}, {value})" for key, value in given.items())
    ground.change(f"CREATE TABLE sessions (id integer PRIMARY KEY, expires text); INSERT INTO sessions VALUES {rows}")
    if ground.vendor == "sqlite":
        ground.change(f"DROP TABLE sessions; CREATE TABLE sessions (id integer PRIMARY KEY, expires);"
                      f"INSERT INTO sessions VALUES {rows}")  # fmt: skip
    over = {key for key in given if key % 2 == 0}
    assert broken_by(ground, rule("expired", on=ground.vendor, table="sessions", column="expires")) == over
    old = rule("expired", on=ground.vendor, table="sessions", column="expires", older_than="1 year")
    assert broken_by(ground, old) == {6, 8}


def test_postgresql_times_are_compared_as_what_they_are(on_postgres: Ground) -> None:
    on_postgres.change("""
        CREATE TABLE s (id integer PRIMARY KEY, a timestamptz, b timestamp, c date, d bigint, e double precision);
        INSERT INTO s SELECT 2, now() - interval '1 minute', (now() AT TIME ZONE 'UTC') - interval '1 minute',
            (now() AT TIME ZONE 'UTC')::date - 1, extract(epoch FROM now())::bigint * 1000 - 60000,
            extract(epoch FROM now()) - 60;
        INSERT INTO s SELECT 1, now() + interval '1 minute', (now() AT TIME ZONE 'UTC') + interval '1 minute',
            (now() AT TIME ZONE 'UTC')::date, extract(epoch FROM now())::bigint * 1000 + 60000, 'NaN';
        INSERT INTO s VALUES (3);
        INSERT INTO s VALUES (5, 'infinity', 'infinity', 'infinity', 9e18, 'infinity');
    """)
    for column in "abcde":
        assert broken_by(on_postgres, rule("expired", on="postgresql", table="s", column=column)) == {2}, column


def test_a_table_must_not_lose_rows_since_the_last_report(ground: Ground) -> None:
    ground.change(SHOP)
    full = "wallets" if ground.vendor == "sqlite" else "public.wallets"

    def told(before: dict[str, int], **spec: Any) -> str:
        (outcome,) = ground.look(rules=[rule("count", on=ground.vendor, table="wallets", **spec)], before=before)
        return f"found {outcome.count}" if isinstance(outcome, Found) else "held"

    assert told({}) == "held"
    assert told({full: 4}) == "held"
    assert told({full: 5}) == "found 1"
    assert told({full: 5}, percent="20") == "held"
    assert told({full: 6}, percent="20") == "found 2"
    assert told({full: 5}, threshold=1) == "held"
    assert told({}, least=6) == "found 2"
    with ground.moment(before={full: 5}) as moment:
        (question,) = Count().questions(rule("count", on=ground.vendor, table="wallets"), moment)
    outcome = question.told(Answer(count=0, of=4, margin="estimated"))
    assert isinstance(outcome, Found) and outcome.failed


def test_a_select_gives_the_wrong_rows_or_their_number_and_its_texts_are_not_shown(ground: Ground) -> None:
    ground.change(SHOP)
    rows = {"query": 'SELECT id, email AS harmless FROM "user" WHERE email IS NOT NULL;', "says": "no user has one"}
    (found,) = ground.found(rules=[rule("sql", on=ground.vendor, **rows)]).values()
    assert (found.count, found.sample.rows) == (2, ((1, "••••••"), (2, "••••••")))
    number = {"query": "SELECT count(*) FROM wallets WHERE balance < 0", "gives": "number", "says": "none is owed"}
    (found,) = ground.found(rules=[rule("sql", on=ground.vendor, **number)]).values()
    assert (found.count, found.sample) == (1, None)
    none = {**rows, "query": "SELECT 1 FROM wallets WHERE balance < -1"}
    assert not ground.found(rules=[rule("sql", on=ground.vendor, **none)])
    odd = {**number, "query": "SELECT 'x' AS x"}
    (found,) = ground.found(rules=[rule("sql", on=ground.vendor, **odd)]).values()
    assert (found.failed, "whole number" in found.sentence) == (True, True)


def test_a_rule_that_does_not_fit_is_a_finding_that_says_why(ground: Ground) -> None:
    ground.change(SHOP)
    gone = rule("row", on=ground.vendor, name="gone", table="purses", violates="t.a = 1")
    renamed = rule("unique", on=ground.vendor, name="renamed", table="user", columns="mail")
    broken = rule("row", on=ground.vendor, name="broken", table="wallets", violates="t.nothing > 1")
    told = ground.look(rules=[gone, renamed, broken])
    said = {each.check: each.sentence for each in told if isinstance(each, Found) and each.failed}
    assert "no table purses" in said["rule:gone"]
    assert "no column mail" in said["rule:renamed"]
    assert "nothing" in said["rule:broken"]


def test_a_text_is_taken_apart_as_it_was_read_whatever_the_database_prefers(on_postgres: Ground) -> None:
    """With standard_conforming_strings off, the first text would end later, and the rest would be code."""
    name = on_postgres.url.rpartition("/")[2].partition("?")[0]
    on_postgres.change(f"ALTER DATABASE {name} SET standard_conforming_strings = off")
    on_postgres.change("CREATE TABLE a (id integer PRIMARY KEY); INSERT INTO a VALUES (1), (2)")
    text = r"t.id = 2 OR 'x\' = ' OR pg_sleep(1) IS NOT NULL --'"
    assert broken_by(on_postgres, rule("row", on="postgresql", table="a", violates=text)) == {2}


@pytest.mark.parametrize("schema", ["a", ""])
def test_a_name_is_taken_with_its_schema_or_alone_where_it_is_the_only_one(on_postgres: Ground, schema: str) -> None:
    on_postgres.change('CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a."T" (id integer PRIMARY KEY, "X" integer)')
    on_postgres.change('INSERT INTO a."T" VALUES (1, 1), (2, 2), (3, NULL)')
    name = f"{schema}.T".strip(".")
    spec = rule("row", on="postgresql", table=name, violates='t."X" > 1')
    assert broken_by(on_postgres, spec) == {2}
    on_postgres.change('CREATE TABLE b."T" (id integer)')
    (told,) = on_postgres.look(rules=[spec])
    assert (isinstance(told, Found) and "may be any of a.T, b.T" in told.sentence) == (not schema)
