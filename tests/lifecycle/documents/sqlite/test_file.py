"""A file of SQLite is read value by value when it is whole, and refused when it is damaged or would run something."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from opsconsole.exceptions import OperationFailed
from tests.lifecycle.documents.reading_files import FIXTURES, Read, file_of, read
from tests.support import sqlite_files

PEOPLE = FIXTURES / "sqlite" / "people.db"


def made(path: Path, script: str, **settings: object) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for name, value in settings.items():
            file.execute(f"PRAGMA {name}={value}")
        file.executescript(script)
    return path


def outcome(content: bytes) -> Read | str:
    """What is read, or the code of the refusal."""
    try:
        found = read(content)
    except OperationFailed as error:
        return error.code
    return next(iter(found.errors), found)


def test_every_kind_of_value_is_read_as_it_is_stored(tmp_path: Path) -> None:
    path = made(
        tmp_path / "file.db",
        """CREATE TABLE v (id INTEGER PRIMARY KEY, x, y AS (id + 1), z TEXT AS (x) STORED);
        INSERT INTO v (x) VALUES (NULL), (-9223372036854775808), (1e999), (0.1), (-0.0), (''), ('a' || char(0) || 'b'),
            (CAST(x'ff61' AS TEXT)), (x''), (x'00ff'), ('é' || char(128512)), (9007199254740993);
        CREATE TABLE "odd ""name" ("a b" PRIMARY KEY, "c;d") WITHOUT ROWID;
        INSERT INTO "odd ""name" VALUES (2, 1), (1, 2);
        CREATE TABLE "empty" (a);""",
    )
    found = read(path)
    assert found.format == "sqlite-file" and not found.codes
    values = [row["x"] for row in found.tables["v"]]
    expected = [None, -(2**63), math.inf, 0.1, 0.0, "", "a\0b", "\udcffa", b"", b"\0\xff", "é😀", 9007199254740993]
    assert values == expected and math.copysign(1, values[4]) == -1 and found.tables["v"][0].keys() == {"id", "x"}
    assert found.tables['odd "name'] == [{"a b": 1, "c;d": 2}, {"a b": 2, "c;d": 1}] and found.tables["empty"] == []
    assert found.findings.types["v"] == {"id": "INTEGER", "x": "", "y": "", "z": "TEXT"}


@pytest.mark.parametrize("index", ["", "CREATE VIRTUAL TABLE search USING fts5(words);"], ids=["", "with an index"])
def test_a_key_that_is_not_in_the_order_of_its_columns_is_no_damage(tmp_path: Path, index: str) -> None:
    """SQLite 3.40's quick check says so; what is wrong in the same file is still found."""
    script = f"CREATE TABLE pairs (a TEXT, b INTEGER, PRIMARY KEY (b, a)) WITHOUT ROWID; {index}"
    path = made(tmp_path / "file.db", script + "INSERT INTO pairs VALUES ('x', 1), ('y', 2);")
    found = read(path)
    assert found.tables == {"pairs": [{"a": "x", "b": 1}, {"a": "y", "b": 2}]} and not found.errors
    broken = "CREATE TABLE t (a NOT NULL); INSERT INTO t VALUES (1); PRAGMA writable_schema = ON;"
    nulled = "UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a, b NOT NULL)' WHERE name = 't';"
    assert "corrupt" in read(made(tmp_path / "broken.db", script + broken + nulled)).errors


@pytest.mark.parametrize("encoding", ["'UTF-16le'", "'UTF-16be'"])
def test_texts_of_other_encodings_are_the_same_texts(tmp_path: Path, encoding: str) -> None:
    path = made(tmp_path / "file.db", "CREATE TABLE t (é); INSERT INTO t VALUES ('ü😀')", encoding=encoding)
    assert read(path).tables == {"t": [{"é": "ü😀"}]}


def test_what_belongs_to_the_runtime_is_told_and_left_out(tmp_path: Path) -> None:
    found = read(sqlite_files.d1(tmp_path / "d1.sqlite", users=3, mode="delete"))
    assert {name: len(rows) for name, rows in found.tables.items()} == {"users": 3, "quests": 3}
    told = found.told("runtime_tables")
    assert all(part in told for part in ("d1_migrations (1 row)", "_cf_KV (1 row)", "sqlite_sequence"))
    assert found.findings.heading.version_name == "0001_first.sql"


def test_triggers_and_views_are_told_and_never_run(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    script = f"CREATE TABLE t (a); INSERT INTO t VALUES (1); CREATE VIEW v AS {endless}; CREATE TRIGGER r"
    path = made(tmp_path / "file.db", f"{script} AFTER INSERT ON t BEGIN DELETE FROM t; END;")
    found = read(path)
    assert found.tables == {"t": [{"a": 1}]} and not found.errors
    assert "1 trigger (r)" in found.told("definitions") and "1 view (v)" in found.told("definitions")


def test_checks_and_indexes_over_json_do_not_hide_a_file(tmp_path: Path) -> None:
    script = """CREATE TABLE t (j TEXT CHECK (json_valid(j))); CREATE INDEX i ON t (json_extract(j, '$.a'), j ->> 'b');
        INSERT INTO t VALUES ('{"a": 1}')"""
    assert read(made(tmp_path / "file.db", script)).tables == {"t": [{"j": '{"a": 1}'}]}


def test_search_indexes_are_told_and_unknown_virtual_tables_refused(tmp_path: Path) -> None:
    script = "CREATE TABLE t (a); INSERT INTO t VALUES (1); CREATE VIRTUAL TABLE words USING fts5(a);"
    path = made(tmp_path / "file.db", script)
    found = read(path)
    assert found.tables == {"t": [{"a": 1}]} and not found.errors
    assert "words" in found.told("not_taken_over") and "words_content" in found.told("runtime_tables")
    strange = path.read_bytes().replace(b"USING fts5(a)", b"USING evil(a)")
    assert outcome(strange) == "virtual_table"


def test_a_write_ahead_log_is_read_when_given_and_missed_when_not(tmp_path: Path) -> None:
    path = tmp_path / "live.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("PRAGMA wal_autocheckpoint=0")
        file.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1);")
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        file.execute("INSERT INTO t VALUES (2)")
        alone, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    with_log = read(alone, file_of(log, "live.db-wal"), file_of(b"", "live.db-shm"), name="live.db")
    assert with_log.tables == {"t": [{"a": 1}, {"a": 2}]} and with_log.codes == {"wal_read"}
    without = read(alone, name="live.db")
    assert without.tables == {"t": [{"a": 1}]} and "live.db-wal" in without.told("wal_not_given")
    foreign = read(alone, file_of(b"\0" * 8000, "live.db-wal"), name="live.db")
    assert foreign.tables == without.tables and foreign.codes == {"wal_not_used"}
    journal = read(PEOPLE.read_bytes(), file_of(b"x" * 600, "people.db-journal"), name="people.db")
    assert journal.errors == {"mid_write"} and journal.tables == {}


@pytest.mark.parametrize("length", [15, 60, 99, 1024, 5000, -1])
def test_a_file_that_is_cut_off_is_refused(length: int) -> None:
    assert outcome(PEOPLE.read_bytes()[:length]) in {"unreadable", "unknown_format"}


def test_a_damaged_tree_is_refused_before_its_rows(tmp_path: Path) -> None:
    path = sqlite_files.plain(tmp_path / "file.db", people=2000)
    content = bytearray(path.read_bytes())
    page = 4096 * (len(content) // 8192)
    content[page : page + 40] = bytes(40)
    assert outcome(bytes(content)) == "corrupt"
    with closing(sqlite3.connect(path)) as file:
        (root,) = file.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'pets_by_owner'").fetchone()
    content = bytearray(path.read_bytes())
    content[(root - 1) * 4096 + 8 : (root - 1) * 4096 + 12] = b"\0\0\0\3"  # the index leads into another tree
    assert outcome(bytes(content)) == "corrupt"


def test_bytes_that_changed_are_caught_or_are_values() -> None:
    """SQLite keeps no checksums, so a changed letter is another letter; the file's digest tells (test_inspecting)."""
    original = PEOPLE.read_bytes()
    whole = read(original)
    refused, valued = 0, 0
    for part in range(20):
        place = part * (len(original) - 1) // 19
        found = outcome(original[:place] + bytes([original[place] ^ 0xFF]) + original[place + 1 :])
        if isinstance(found, str):
            refused += 1
        else:
            valued += found.tables != whole.tables
    assert refused >= 5 and refused + valued >= 6


def test_a_schema_that_lies_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "file.db", "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 2); CREATE TABLE u (c)")
    for honest, lie in {
        "CREATE TABLE u (c)": "CREATE TABLE t (c)",
        "CREATE TABLE t (a, b)": "SELECT randomblob(9);",
    }.items():
        assert outcome(path.read_bytes().replace(honest.encode(), lie.ljust(len(honest)).encode())) in {
            "unreadable",
            "corrupt",
        }
