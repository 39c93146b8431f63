"""What an SQLite engine tells of a database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from opsconsole.engines.sqlite import SqliteEngine, catalogue
from opsconsole.exceptions import TargetProblem, Usage
from tests.support import sqlite_files as files


@pytest.fixture
def engine(tmp_path: Path) -> SqliteEngine:
    return files.engine(files.plain(tmp_path / "a.db"))


def walked(engine: SqliteEngine, table: str, limit: int) -> list[tuple[object, ...]]:
    found, after = [], None
    while True:
        page = engine.page(table, limit=limit, after=after)
        assert len(page.rows) <= limit
        found += page.rows
        if (after := page.next_after) is None:
            return found


def test_tables_have_columns_keys_and_exact_counts(engine: SqliteEngine) -> None:
    people, pets, settings = engine.tables(exact=True)
    assert [(t.full_name, t.rows, t.exact) for t in (people, pets, settings)] == [
        ("people", 100, True),
        ("pets", 100, True),
        ("settings", 2, True),
    ]
    assert [(c.name, c.type, c.nullable) for c in people.columns][:2] == [
        ("id", "INTEGER", True),
        ("name", "TEXT", False),
    ]
    assert (people.primary_key, settings.primary_key) == (("id",), ("scope", "key"))
    assert people.size_bytes and people.size_bytes >= 4096


def test_tables_of_the_runtime_of_sqlite_and_our_own_are_hidden(tmp_path: Path) -> None:
    path = files.d1(tmp_path / "a.sqlite")
    files.run_sql(path, "CREATE TABLE _opsconsole_ledger (a)")
    assert [table.name for table in files.engine(path).tables()] == ["d1_migrations", "quests", "users"]


def test_virtual_tables_and_what_is_behind_them_are_not_listed(tmp_path: Path) -> None:
    path = files.plain(tmp_path / "a.db")
    files.run_sql(path, "CREATE VIRTUAL TABLE words USING fts5(word)")
    assert [table.name for table in files.engine(path).tables()] == ["people", "pets", "settings"]


def test_counts_that_would_take_long_are_left_out_unless_asked_for(
    engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "QUICK_SECONDS", -1.0)
    assert {(table.rows, table.exact) for table in engine.tables()} == {(None, False)}
    assert [table.rows for table in engine.tables(exact=True)] == [100, 100, 2]


def test_the_fingerprint_is_that_of_the_objects_alone(tmp_path: Path) -> None:
    one, two = files.plain(tmp_path / "a.db"), files.plain(tmp_path / "b.db", people=5, mode="wal", page_size=8192)
    before = files.engine(one).schema_fingerprint()
    assert before == files.engine(two).schema_fingerprint()
    files.run_sql(two, "CREATE TABLE _opsconsole_ledger (a)", "CREATE TABLE _cf_KV (a)", "ANALYZE")
    assert before == files.engine(two).schema_fingerprint()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE more (a)",
        "DROP VIEW owners",
        "DROP INDEX pets_by_owner",
        "ALTER TABLE pets ADD COLUMN age INTEGER",
        "DROP TRIGGER no_empty_name",
    ],
)
def test_every_change_of_the_schema_changes_the_fingerprint(engine: SqliteEngine, statement: str) -> None:
    before = engine.schema_fingerprint()
    files.run_sql(Path(engine.address.path), statement)
    assert engine.schema_fingerprint() != before


@pytest.mark.parametrize("limit", [1, 7, 100])
@pytest.mark.parametrize("table", ["people", "pets", "settings"])
def test_pages_cover_a_table_once_in_order(engine: SqliteEngine, table: str, limit: int) -> None:
    files.run_sql(Path(engine.address.path), "UPDATE people SET photo = x'ff00'")
    whole = files.rows(Path(engine.address.path), f"SELECT * FROM {table}")
    assert walked(engine, table, limit) == whole


def test_pages_go_on_behind_keys_of_every_type(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    files.run_sql(path, "CREATE TABLE t (k PRIMARY KEY, v) WITHOUT ROWID")
    with closing(sqlite3.connect(path)) as connection, connection:
        keys = [(1,), (2.5,), ("a'\x00b",), (b"\xff\x00",), ("ü",), (-3,), (9_007_199_254_740_993,)]
        connection.executemany("INSERT INTO t (k) VALUES (?)", keys)
    assert len(walked(files.engine(path), "t", 1)) == len(keys)


def test_a_column_called_rowid_does_not_confuse_the_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    files.run_sql(path, "CREATE TABLE t (rowid TEXT, _rowid_ TEXT)", "INSERT INTO t VALUES ('same','x'), ('same','y')")
    assert walked(files.engine(path), "t", 1) == [("same", "x"), ("same", "y")]


def test_long_cells_are_cut_and_broken_text_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    files.run_sql(
        path,
        "CREATE TABLE t (a, b, c)",
        "INSERT INTO t VALUES (hex(zeroblob(5000)), zeroblob(5000), CAST(x'ff41' AS TEXT))",
    )
    ((text, blob, broken),) = files.engine(path).page("t").rows
    assert (len(text), text[-1], len(blob), broken) == (2001, "…", 256, "\ufffdA")


@pytest.mark.parametrize(
    "table", ["nothing", "people; DROP TABLE pets", 'people"', "sqlite_schema", "_opsconsole_ledger"]
)
def test_only_tables_that_are_listed_can_be_read(engine: SqliteEngine, table: str) -> None:
    with pytest.raises(Usage):
        engine.page(table)


@pytest.mark.parametrize("after", ["", "x", "W10=", "WzFd", "bnVsbA=="])
def test_a_cursor_that_is_not_ours_is_refused(engine: SqliteEngine, after: str) -> None:
    with pytest.raises(Usage):
        engine.page("people", after=after)


def test_a_reading_connection_cannot_write(engine: SqliteEngine) -> None:
    with pytest.raises(TargetProblem) as refused, engine.reading() as connection:
        connection.execute("DELETE FROM pets")
    assert refused.value.code == "permission"


def test_a_statement_that_takes_too_long_is_ended(engine: SqliteEngine) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(TargetProblem) as refused, engine.reading(seconds=0.2) as connection:
        connection.execute(endless).fetchall()
    assert refused.value.code == "timeout"


def test_the_size_counts_the_log_too(tmp_path: Path) -> None:
    path = files.plain(tmp_path / "a.db", mode="wal")
    with closing(sqlite3.connect(path)) as app:
        app.execute("UPDATE people SET photo = zeroblob(600)")
        app.commit()
        assert files.engine(path).size_bytes() == path.stat().st_size + (tmp_path / "a.db-wal").stat().st_size


def test_the_d1_flavour_is_seen_or_said(tmp_path: Path) -> None:
    assert files.engine(files.d1(tmp_path / "a.sqlite")).is_d1
    assert files.engine(files.plain(tmp_path / "b.db"), flavour="d1").is_d1
    assert not files.engine(tmp_path / "b.db").is_d1
