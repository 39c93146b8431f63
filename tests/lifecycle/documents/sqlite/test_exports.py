"""Exports of D1 and dumps of SQLite are read with every value as it was; what they lose is told; nothing is run."""

from __future__ import annotations

import io
import math
import sqlite3
from contextlib import closing

import pytest

from lifecycle.documents.readers.sqlite.lexer import SqliteScript
from opsconsole.exceptions import OperationFailed
from tests.lifecycle.documents.reading_files import FIXTURES, read

D1 = b"PRAGMA defer_foreign_keys=TRUE;\n"
SHELL = b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"
TABLE = b"CREATE TABLE t (a INTEGER, b TEXT);\n"


@pytest.mark.parametrize("style", ["new", "old"])
def test_an_export_of_either_style_is_read(style: str) -> None:
    found = read(FIXTURES / "ignition" / f"d1-export-{style}.sql")
    assert found.format == "d1-export" and not found.errors
    assert found.tables == {
        "users": [
            {
                "id": "u1",
                "name": "O'Brien\r\nline",
                "email": "o@example.test",
                "emailVerified": 1,
                "created_at": "2026-01-01 00:00:00",
            }
        ],
        "Odd Name": [{"a b": 1, "r": 1.5, "t": "semi;colon -- not a comment", "b": b"\x00\xff"}],
    }
    assert found.findings.types["Odd Name"] == {"a b": "INTEGER", "r": "REAL", "t": "TEXT", "b": "BLOB"}
    assert found.findings.heading.engine == "sqlite" and found.findings.heading.version_name == "0001_init.sql"
    assert "d1_migrations (1 row)" in found.told("runtime_tables") and "triggers (1)" in found.told("definitions")


def test_a_real_dump_of_the_shell_and_of_python_is_read_equal_to_the_file() -> None:
    with closing(sqlite3.connect(FIXTURES / "sqlite" / "people.db")) as file:
        by_python = "\n".join(file.iterdump()).encode()
    whole = read(FIXTURES / "sqlite" / "people.db")
    people = whole.tables["people"]
    assert (people[0]["name"], people[-1]["name"]) == ("x", "it's\r\nodd \\n \\012 ; -- \" é \u2028")
    shell = read(FIXTURES / "sqlite" / "people.sql")
    assert shell.format == "sqlite-dump" and shell.tables == whole.tables and not shell.errors
    python = read(by_python)  # leaves Infinity bare
    assert python.errors == {"bare_infinity"}
    assert python.tables == whole.tables | {"people": [row for row in people if row["height"] != math.inf]}
    assert "triggers (1), views (1)" in shell.told("definitions")


def test_what_d1_loses_is_told() -> None:
    statements = rb"""INSERT INTO t VALUES(9007199254740993,'x');
INSERT INTO t VALUES(1,replace('one\nbreak','\n',char(10)));
INSERT INTO t VALUES(2,replace('two\nbreaks\nor none','\n',char(10)));
"""
    found = read(D1 + TABLE + statements)
    assert [row["b"] for row in found.tables["t"]] == ["x", "one\nbreak", "two\nbreaks\nor none"]
    assert "exported them: t.a (1)" in found.told("rounded_integers") and "line 5" in found.told("ambiguous_newlines")
    infinite = read(D1 + TABLE + b"INSERT INTO t VALUES(Infinity,'x');\nINSERT INTO t VALUES(-Infinity,'y');\n")
    assert infinite.errors == {"bare_infinity"} and "on line 3, 4" in infinite.told("bare_infinity")


def test_an_export_without_schema_takes_its_columns_from_the_inserts() -> None:
    found = read(D1 + b"""INSERT INTO "t" ("a","b c") VALUES(1,'x');\nINSERT INTO "t" ("a","b c") VALUES(2,NULL);""")
    assert found.tables == {"t": [{"a": 1, "b c": "x"}, {"a": 2, "b c": None}]}
    with pytest.raises(OperationFailed, match="names no columns"):
        read(D1 + b'INSERT INTO "t" VALUES(1);')


def test_an_export_without_data_is_not_taken_for_empty_tables() -> None:
    found = read(D1 + TABLE + b"CREATE TABLE u (a);\nDELETE FROM sqlite_sequence;\n")
    assert found.tables == {} and found.codes == {"no_rows"}
    assert read(D1 + TABLE + b"CREATE TABLE u (a);\nINSERT INTO t VALUES(1,'x');").tables["u"] == []


def test_definitions_are_not_run_and_generated_columns_are_left_to_themselves() -> None:
    schema = b"""CREATE TABLE g (a INTEGER, b AS (a * 2), c GENERATED ALWAYS AS (upper('x')) STORED, CHECK (a > 5));
CREATE TABLE strict (j TEXT CHECK (json_valid(j)), k ANY, PRIMARY KEY (k)) STRICT, WITHOUT ROWID;
INSERT INTO g (a) VALUES (1); INSERT INTO strict VALUES ('not json', 7);
CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n;
CREATE TRIGGER t AFTER INSERT ON g BEGIN INSERT INTO g VALUES (1); SELECT CASE 1 WHEN 1 THEN 2 END; END;
INSERT INTO g (a) VALUES (2), (3);
"""
    found = read(SHELL + schema + b"COMMIT;\n")
    assert found.tables == {"g": [{"a": 1}, {"a": 2}, {"a": 3}], "strict": [{"j": "not json", "k": 7}]}
    assert "triggers (1), views (1)" in found.told("definitions")


STATEMENTS = [
    "SELECT 1;", "SELECT ';' -- ;\n, \"a;b\", `c;d`, [e;f] /* ; */;", "CREATE TRIGGER t BEGIN SELECT 1; END;",
    "create temp trigger t BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 'END;'; -- END;\n end ;",
    "CREATE TRIGGER t BEGIN SELECT 1; /* ; END; */ END /* x */ -- y\n ;", "INSERT INTO t VALUES ('it''s; ', 1 - -2/3);",
    "CREATE TABLE triggers (a);", "-- CREATE TRIGGER\nSELECT 1;", "EXPLAIN CREATE TRIGGER t BEGIN SELECT 1; END;",
]  # fmt: skip


@pytest.mark.parametrize("sql", STATEMENTS)
def test_statements_end_where_sqlite_says(sql: str) -> None:
    ends = [end for end in range(1, len(sql) + 1) if sql[end - 1] == ";" and sqlite3.complete_statement(sql[:end])]
    script = SqliteScript(io.BytesIO((sql + "\n  " + sql).encode()))
    found = [statement.text.decode() for statement in script.statements()]
    bare = sql.removeprefix("-- CREATE TRIGGER\n")
    assert ends[0] == len(sql) and found == [bare, bare]


@pytest.mark.parametrize(
    "statement",
    [
        b"ATTACH DATABASE '/tmp/x' AS x;",
        b"PRAGMA writable_schema=ON;",
        b"SELECT load_extension('/tmp/x.so');",
        b"INSERT INTO t SELECT 1, 2;",
        b"INSERT OR REPLACE INTO t VALUES (1, 'x');",
        b"UPDATE t SET a = 1;",
        b"DELETE FROM t;",
        b"DROP TABLE t;",
        b"VACUUM INTO '/tmp/x';",
        b"CREATE TABLE x AS SELECT 1;",
        b"CREATE TEMP TABLE x (a);",
        b"ALTER TABLE t ADD COLUMN c;",
        b".shell touch /tmp/x\n;",
        b"\\! touch /tmp/x\n;",
    ],
)
def test_statements_that_no_dump_needs_end_the_reading(statement: bytes) -> None:
    found = read(D1 + TABLE + b"INSERT INTO t VALUES(1,'x');\n" + statement)
    assert found.errors == {"unexpected_statement"} and "Line 4" in found.told("unexpected_statement")
    assert found.tables == {}


@pytest.mark.parametrize(
    "statement",
    [
        b"INSERT INTO t VALUES(1,load_extension('/tmp/x.so'));",
        b"INSERT INTO t VALUES(1,(SELECT max(a) FROM t));",
        b"INSERT INTO t VALUES(1,(WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n) SELECT max(i) FROM n));",
        b"INSERT INTO t VALUES(1,(WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n));",
        b"INSERT INTO t VALUES(1,hex(zeroblob(1000000000)));",
        b"INSERT INTO t VALUES(1,replace(replace('" + b"a" * 100_000 + b"','a','" + b"b" * 100_000 + b"'),'b','c'));",
        b"INSERT INTO sqlite_master VALUES('table','x','x',0,'');\nINSERT INTO t VALUES(1,sqlite_version());",
        b"CREATE TABLE g (a, b AS (hex(zeroblob(1000000000))) STORED);\nINSERT INTO g (a) VALUES (1);",
        b"INSERT INTO t VALUES(1,'no end",
        b"INSERT INTO t VALUES(1,'\xff');",
        b"INSERT INTO t VALUES(1,'a\0b');",
        b"INSERT INTO t VALUES(1);",
        b"CREATE TABLE t (a);",
        b"CREATE TRIGGER t AFTER INSERT ON t BEGIN SELECT 1;",
        b"INSERT INTO t VALUES(1,'" + b"x" * (40 << 20) + b"');",
        b"CREATE VIEW v AS SELECT '" + b"x" * (4 << 20) + b"';",
    ],
    ids=lambda statement: statement[:60].decode(errors="replace"),
)
def test_what_is_broken_or_would_compute_is_refused(statement: bytes) -> None:
    with pytest.raises(OperationFailed) as refused:
        read(D1 + TABLE + statement)
    assert refused.value.code in {"unreadable", "too_large"} and refused.value.next_step


def test_a_dump_that_was_broken_off_is_refused() -> None:
    assert read(SHELL + TABLE).errors == {"cut_off"}
    assert read(SHELL + TABLE + b"ROLLBACK; -- due to errors\n").errors == {"cut_off"}
    assert read(SHELL + b"CREATE VIRTUAL TABLE f USING fts5(a);").errors == {"virtual_table"}
