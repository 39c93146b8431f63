"""SQLite itself is asked what a text would do to an empty copy of the schema."""

from dataclasses import replace

import pytest

from opsconsole.engines.structure import Structure
from opsconsole.review import Dialect, Live, Severity, authorizer, review

LITE, D1 = Dialect.SQLITE, Dialect.D1
SCHEMA = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)",
    "CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id) ON DELETE CASCADE)",
    "CREATE TABLE log (what TEXT)",
    "CREATE TABLE tags (id INTEGER PRIMARY KEY, label TEXT UNIQUE ON CONFLICT REPLACE)",
    "CREATE TRIGGER tidy AFTER INSERT ON log BEGIN DELETE FROM posts WHERE id < 3; END",
)
LIVE = Live(ddl=SCHEMA, structure=Structure(relations={}))


def rules(text, dialect=D1, live=LIVE, **facts):
    return [(finding.rule, finding.severity.word) for finding in review(text, dialect, live, **facts).findings]


def test_a_trigger_that_deletes_is_reported_for_the_insert_that_fires_it():
    (found,) = review("INSERT INTO log VALUES ('a');", D1, LIVE).findings
    assert (found.rule, found.object, found.severity) == ("sqlite-reports", "posts", Severity.UNKNOWN)
    assert "trigger or view tidy" in found.reason


def test_a_cascade_that_no_structure_told_of_is_reported():
    assert rules("DELETE FROM users WHERE id = 3;") == [("sqlite-reports", "destructive"), ("delete", "warning")]


def test_a_child_that_the_text_itself_makes_is_emptied_as_well():
    text = """CREATE TABLE notes (id INTEGER, post INTEGER REFERENCES posts (id) ON DELETE CASCADE);
    INSERT INTO notes SELECT 1, id FROM posts;
    DELETE FROM posts WHERE id = 3;"""
    assert rules(text) == [("delete", "warning")]  # its rows came from this text


def test_a_rebuild_names_the_children_that_sqlite_reports():
    text = """PRAGMA foreign_keys=OFF;
    CREATE TABLE n (id INTEGER PRIMARY KEY, email TEXT NOT NULL);
    INSERT INTO n SELECT * FROM users;
    DROP TABLE users;
    ALTER TABLE n RENAME TO users;
    """
    assert ("sqlite-reports", "destructive") in rules(text)
    assert ("sqlite-reports", "destructive") in rules(text, LITE)  # nobody says that it runs outside of a transaction
    assert ("sqlite-reports", "destructive") not in rules(text, LITE, transaction=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ALTER TABLE users ADD COLUMN email TEXT;", "duplicate column name: email"),
        ("INSERT INTO nobody VALUES (1);", "no such table: nobody"),
        ("CREATE TABLE users (id);", "table users already exists"),
        ("SELECT 1; DROP INDEX idx_gone;", "no such index: idx_gone"),
    ],
)
def test_what_the_schema_refuses_is_found_before_the_database_refuses_it(text, said):
    found = review(text, D1, LIVE)
    assert found.needs_approval
    assert f"SQLite says: {said}." in [finding.reason for finding in found.findings]


def test_nothing_outside_of_memory_is_touched(tmp_path):
    for text in (f"ATTACH '{tmp_path}/a' AS a;", f"VACUUM INTO '{tmp_path}/b';", "SELECT load_extension('x');"):
        found = review(text, LITE, LIVE)
        assert found.worst == Severity.UNKNOWN
        assert not {"fails-on-schema"} & {finding.rule for finding in found.findings}
    assert list(tmp_path.iterdir()) == []


def test_a_query_without_end_is_not_run(monkeypatch):
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n ORDER BY x"
    monkeypatch.setattr(authorizer, "MOST_SECONDS", 0.5)
    text = f"CREATE TABLE t AS {endless}; INSERT INTO log {endless}; {endless}; SELECT x FROM t; SELECT y FROM t;"
    assert ("fails-on-schema", "no such column: y") in [
        (one.rule, one.reason.removeprefix("SQLite says: ").rstrip(".")) for one in review(text, D1, LIVE).findings
    ]


def test_what_this_sqlite_does_not_have_is_said_and_nothing_made_of_it():
    odd = replace(LIVE, ddl=(*SCHEMA, "CREATE VIRTUAL TABLE v USING nobody_knows (a)"))
    assert rules("SELECT 1;", live=odd) == [("not-checked", "info")]


def test_a_table_that_replaces_on_conflict_is_found_by_its_text():
    assert rules("INSERT INTO tags (label) VALUES ('a');") == [("replace-row", "destructive")]
