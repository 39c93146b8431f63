"""A rule that cannot be asked is a finding that says why and what to do; the others of its table are answered."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest

from integrity.checks.base import Found, Severity
from integrity.checks.index_faults import DuplicateIndex
from integrity.checks.inferred import InferredOrphans
from integrity.checks.known import CHECKS
from integrity.checks.orphans import Orphans
from integrity.rules.base import Spec
from integrity.scanning.answering import Budget
from opsconsole.engines.postgresql import inquiry
from tests.integrity.conftest import Ground, on_server
from tests.integrity.rules.spelling import rule
from tests.support.servers import PostgresServer

NOTES = """
    CREATE TABLE notes (id integer PRIMARY KEY, n integer, said text);
    CREATE TABLE others (id integer PRIMARY KEY, note_id integer);
    INSERT INTO notes VALUES (1, 5, 'a'), (2, -1, 'b'), (3, -2, 'b'), (4, NULL, NULL);
    INSERT INTO others VALUES (1, 1), (2, 9);
"""
SLOW = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n) > t.n"
# What fails for the values of some rows only; SQLite divides by zero, and casts anything, without a word.
FAILS = {
    "sqlite": (("json_extract(t.said, '$') = 1", "malformed JSON"),),
    "postgresql": (
        ("10 / (t.n - 5) = 1", "division by zero"),
        ("CAST(t.said AS integer) = 1", "invalid input syntax"),
    ),
}


def answered(vendor: str) -> list[Spec]:
    """Rules that fit, of the same tables: with SQL of people, and ours."""
    return [
        rule("row", on=vendor, name="fits", table="notes", violates="t.n < 0"),
        rule("unique", on=vendor, name="fits-too", table="notes", columns="said"),
        rule("orphan", on=vendor, name="fits-else", child="others", column="note_id", parent="notes", key="id"),
    ]


def told(ground: Ground, rules: Sequence[Spec], seconds: float = 60) -> tuple[dict[str, int], dict[str, Found]]:
    """The counts of what was answered, and the findings that something was not, by the rules' names."""
    asked = ground.look(rules=rules, budget=Budget(seconds=seconds), seconds=seconds)
    found = [each for each in asked if isinstance(each, Found)]
    unanswered = {each.check.removeprefix("rule:"): each for each in found if each.failed}
    for each in unanswered.values():
        assert (each.severity, "could not be looked at: " in each.sentence) == (Severity.CRITICAL, True)
        assert each.next_step and each.why
    return {each.check.removeprefix("rule:"): each.count for each in found if not each.failed}, unanswered


def test_what_does_not_fit_or_fails_or_takes_too_long_is_told_by_itself(ground: Ground) -> None:
    ground.change(NOTES)
    vendor = ground.vendor

    def row(name: str, violates: str, table: str = "notes") -> Spec:
        return rule("row", on=vendor, name=name, table=table, violates=violates)

    slow = rule("sql", on=vendor, name="slow-sql", query=f"SELECT 1 FROM notes t WHERE {SLOW}", says="it ends")
    unfit = {
        "no table gone": row("no-table", "t.n = 1", "gone"),
        "no column gone": rule("unique", on=vendor, name="no-column", table="notes", columns="gone"),
        "gone": row("no-column-in-sql", "t.gone = 1"),
        "lost": row("no-table-in-sql", "t.id IN (SELECT id FROM lost)"),
        "syntax error": row("no-sql", "t.n = = 1"),
        "took longer than 0.5 seconds": row("slow", SLOW),
        "longer than 0.5 seconds": slow,
        **{words: row(f"fails-{place}", violates) for place, (violates, words) in enumerate(FAILS[vendor])},
    }
    counts, unanswered = told(ground, [*unfit.values(), *answered(vendor)], 0.5)
    assert counts == {"fits": 2, "fits-too": 2, "fits-else": 1}
    assert unanswered.keys() == {spec.name for spec in unfit.values()}
    assert [words for words, spec in unfit.items() if words not in unanswered[spec.name].sentence] == []
    assert all("seconds=" in unanswered[name].next_step for name in ("slow", "slow-sql"))
    assert not any("'b'" in each.sentence or '"b"' in each.sentence for each in unanswered.values())


def test_what_a_role_may_not_read_is_told_and_all_else_is_answered(
    on_postgres: Ground, postgres: PostgresServer
) -> None:
    role = postgres.create_role()
    on_postgres.change(
        f"{NOTES} CREATE TABLE closed (id integer PRIMARY KEY, n integer); GRANT SELECT ON notes, others TO {role.name}"
    )
    limited = on_server(postgres, on_postgres.engine.address.name, role)
    closed = [
        rule("row", on="postgresql", name="closed", table="closed", violates="t.n = 1"),
        rule("unique", on="postgresql", name="closed-too", table="closed", columns="n"),
        rule("row", on="postgresql", name="looks-there", table="notes", violates="t.id IN (SELECT id FROM closed)"),
        rule("reference", on="postgresql", name="there", table="closed", key="n", rows=[1]),
    ]
    counts, unanswered = told(limited, [*closed, *answered("postgresql")])
    assert counts == {"fits": 2, "fits-too": 2, "fits-else": 1}
    assert {*unanswered} == {spec.name for spec in closed}
    assert all("permission denied for table closed" in each.sentence for each in unanswered.values())
    assert all("the right to read" in each.next_step for each in unanswered.values())


def test_a_table_that_the_application_keeps_for_itself_hides_no_other(
    on_postgres: Ground, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for patience in (inquiry._OURS, inquiry._OF_PEOPLE):
        monkeypatch.setitem(patience, "lock_timeout", "300ms")
    on_postgres.change(
        f"{NOTES} CREATE TABLE busy (id integer PRIMARY KEY, n integer REFERENCES notes);"
        "CREATE INDEX one ON busy (n); CREATE INDEX two ON busy (n) WHERE n > 5;"
        "CREATE INDEX first ON others (note_id); CREATE INDEX second ON others (note_id)"
    )
    of_busy = [
        rule("row", on="postgresql", name="busy", table="busy", violates="t.n = 1"),
        rule("unique", on="postgresql", name="busy-too", table="busy", columns="n"),
    ]
    with closing(postgres.connect(on_postgres.engine.address.name)) as application:
        application.execute("BEGIN; LOCK TABLE busy")
        counts, unanswered = told(on_postgres, [*of_busy, *answered("postgresql")])
        assert counts == {"fits": 2, "fits-too": 2, "fits-else": 1}
        assert {*unanswered} == {"busy", "busy-too"}
        assert all("holds a lock" in each.sentence for each in unanswered.values())
        assert all(each.next_step.startswith("See who holds the table") for each in unanswered.values())
        indexes = on_postgres.found(DuplicateIndex())
        assert {subject: each.failed for subject, each in indexes.items()} == {
            "Indexes that are there twice (public.busy) could not be looked at": True,
            "public.others (note_id)": False,
        }
        orphans = on_postgres.found(Orphans(), InferredOrphans())
        assert {subject: each.count for subject, each in orphans.items() if not each.failed} == {
            "public.others.note_id -> public.notes.id": 1
        }
        every: Any = on_postgres.look(*(check for check in CHECKS if "postgresql" in check.engines))
        silent = {each.check for each in every if getattr(each, "failed", False) and "busy" not in each.subject}
        assert silent == {"postgresql_pages"}  # for want of amcheck
    assert not any(each.failed for each in on_postgres.found(DuplicateIndex()).values())
