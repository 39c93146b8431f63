"""What texts of migrations leave behind, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifecycle.migrating.expecting import Expected
from opsconsole.review.lexing import Dialect
from tests.support import sqlite_files

POSTGRESQL, D1 = Dialect.POSTGRESQL, Dialect.D1


@pytest.mark.parametrize(
    ("dialect", "text", "tables", "indexes"),
    [
        (POSTGRESQL, 'CREATE TABLE A (i int); create unlogged table if not exists s."B" ();', ["a", "s.B"], []),
        (POSTGRESQL, "CREATE TEMP TABLE a (); CREATE VIEW v AS SELECT 1; -- CREATE TABLE c ()", [], []),
        (POSTGRESQL, "CREATE TABLE a (); CREATE TABLE b (); DROP TABLE IF EXISTS public.a, b CASCADE;", [], []),
        (POSTGRESQL, "CREATE TABLE a (); ALTER TABLE a RENAME TO b; ALTER TABLE b RENAME x TO y;", ["b"], []),
        (POSTGRESQL, "CREATE TABLE a (); ALTER TABLE IF EXISTS ONLY a SET SCHEMA s;", ["s.a"], []),
        (POSTGRESQL, "CREATE TABLE s.a (); CREATE TABLE t.a (); DROP SCHEMA s CASCADE;", ["t.a"], []),
        (
            POSTGRESQL,
            "CREATE INDEX ON t (x); CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON s.t (x)",
            [],
            ["s.i"],
        ),
        (POSTGRESQL, "CREATE INDEX i ON t (x); CREATE INDEX j ON t (x); DROP INDEX CONCURRENTLY i;", [], ["j"]),
        (POSTGRESQL, "CREATE INDEX i ON t (x); ALTER INDEX i RENAME TO j; DROP TABLE t;", [], []),
        (POSTGRESQL, "CREATE TABLE t AS SELECT 'CREATE TABLE x ()'; SELECT $$;CREATE TABLE y ()$$;", ["t"], []),
        (
            D1,
            "CREATE TABLE a(i); CREATE INDEX i ON a(i); CREATE TABLE `__new_a`(i);"
            " DROP TABLE `a`; ALTER TABLE `__new_a` RENAME TO [a]; CREATE INDEX `j` ON `a` (i);",
            ["a"],
            ["j"],
        ),
        (
            D1,
            "CREATE VIRTUAL TABLE f USING fts5(x); CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END",
            ["f"],
            [],
        ),
    ],
)
def test_names_are_made_renamed_and_dropped(dialect: Dialect, text: str, tables: list[str], indexes: list[str]) -> None:
    expected = Expected(dialect)
    expected.take(text)
    assert [".".join(filter(None, name)) for name in expected.tables] == tables
    assert [".".join(filter(None, name)) for name in expected.indexes] == indexes


def test_what_is_missing_is_named_and_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    path.touch()
    sqlite_files.run_sql(path, "CREATE TABLE Notes (id)", "CREATE INDEX notes_id ON Notes (id)")
    expected = Expected(Dialect.SQLITE)
    expected.take("CREATE TABLE notes (id); CREATE TABLE tags (id); CREATE INDEX Notes_Id ON notes (id); SELECT 'x")
    with sqlite_files.engine(path).script(read_only=True) as script:
        missing = expected.missing(script)
    assert (missing.tables, missing.indexes, missing.unread) == (("tags",), (), 1)
    assert (missing.expected_tables, missing.expected_indexes) == (2, 1)
