"""What a review says, in words and as JSON."""

import json
from dataclasses import replace

import pytest

from opsconsole.engines.structure import Relation, Structure
from opsconsole.plans import canonical_json
from opsconsole.review import Dialect, Live, Review, Severity, review
from tests.opsconsole.review.targets import LIVE

PG, D1 = Dialect.POSTGRESQL, Dialect.D1
THIN = "\N{NARROW NO-BREAK SPACE}"


def reasons(text, dialect=PG, live=None):
    return [finding.reason for finding in review(text, dialect, live or LIVE[dialect]).findings]


def test_severities_are_ordered():
    assert sorted(Severity, reverse=True) == [
        Severity.DESTRUCTIVE,
        Severity.UNKNOWN,
        Severity.LOCKING,
        Severity.WARNING,
        Severity.INFO,
    ]


@pytest.mark.parametrize(
    ("text", "needs"),
    [("SELECT 1", False), ("CREATE INDEX idx_a_b ON a (b)", False), ("GRANT a TO b", True), ("DROP TABLE a", True)],
)
def test_unknown_and_destructive_texts_need_approval(text, needs):
    assert review(text, PG).needs_approval is needs


def test_a_review_comes_back_from_json_as_it_was():
    text = "DROP TABLE users;\n\n CREATE INDEX idx_users_a ON users (a);"
    found = review(text, PG, LIVE[PG])
    again = json.loads(canonical_json(found.to_json()))
    assert Review.from_json(again, text) == found
    assert [finding.line for finding in found.of_statement(2)] == [3]
    assert "CREATE" not in json.dumps(again["statements"])


def test_reasons_name_what_is_lost():
    assert reasons("DROP TABLE users") == [f"Drops the table users and its 18{THIN}402 rows."]
    assert reasons("DROP TABLE drafts") == ["Drops the table drafts and its 0 rows."]
    assert reasons("DELETE FROM messages") == [f"Deletes all 2{THIN}000{THIN}000 rows of messages. There is no WHERE."]
    (dropped,) = reasons("DROP TABLE users;", D1)
    assert f"messages (2{THIN}000{THIN}000 rows, CASCADE)" in dropped and "audit (300 rows, SET NULL)" in dropped
    assert "drafts" not in dropped  # it has no rows


def test_a_finding_names_the_line_of_its_own_part_of_a_statement():
    text = "ALTER TABLE t\n  ADD COLUMN a int,\n  DROP COLUMN b;"
    assert [(finding.rule, finding.line) for finding in review(text, PG).findings] == [("drop-column", 3)]


@pytest.mark.parametrize(
    ("hit", "severity"), [(5, Severity.WARNING), (1_800, Severity.WARNING), (1_900, Severity.DESTRUCTIVE)]
)
def test_a_delete_of_more_than_a_tenth_is_destructive(hit, severity):
    known = replace(LIVE[PG], matching={2: hit}, structure=None)
    (found,) = review("SELECT 1; DELETE FROM users WHERE age > 3", PG, known).findings
    assert (found.rule, found.severity) == ("delete", severity)


def test_a_large_share_of_a_tiny_table_is_a_warning():
    known = replace(LIVE[PG], matching={1: 8})
    assert review("DELETE FROM tags WHERE label = 'a'", PG, known).worst == Severity.WARNING


@pytest.mark.parametrize(
    ("rows", "size", "partitioned", "severity"),
    [
        (None, 8192, False, Severity.WARNING),  # never counted, but it has no room for many
        (12, None, False, Severity.WARNING),
        (None, None, False, Severity.LOCKING),
        (None, 1 << 30, False, Severity.LOCKING),
        (12, 1 << 30, False, Severity.LOCKING),
        (None, 0, True, Severity.LOCKING),  # its parts hold the rows
    ],
)
def test_a_lock_on_a_small_table_is_a_warning(rows, size, partitioned, severity):
    table = Relation(schema="public", name="t", fields=(), partitioned=partitioned)
    known = Live(
        rows={"public.t": rows}, size_bytes={"public.t": size}, structure=Structure(relations={"public.t": table})
    )
    (found,) = review("CREATE INDEX idx_t_a ON t (a)", PG, known).findings
    assert found.severity == severity


def test_concurrently_is_a_finding_only_where_the_tool_has_a_transaction():
    text = "CREATE INDEX CONCURRENTLY idx_a_b ON a (b)"
    assert review(text, PG, transaction=False).findings == review(text, PG).findings == ()
    (found,) = review(text, PG, transaction=True).findings
    assert found.rule == "concurrently-in-transaction"


def test_switching_foreign_keys_off_counts_only_outside_of_a_transaction():
    text = """PRAGMA foreign_keys=OFF;
    CREATE TABLE n (id INTEGER PRIMARY KEY, email TEXT, name TEXT, age INTEGER);
    INSERT INTO n SELECT * FROM users; DROP TABLE users; ALTER TABLE n RENAME TO users;"""
    live = LIVE[Dialect.SQLITE]
    for transaction, expected in ((None, True), (True, True), (False, False)):
        found = review(text, Dialect.SQLITE, live, transaction=transaction)
        assert ("rebuild-cascades" in {finding.rule for finding in found.findings}) is expected
