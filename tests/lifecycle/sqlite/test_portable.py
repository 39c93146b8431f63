"""Portable backups of SQLite: what a file holds, whatever its types, comes back cell for cell."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from lifecycle.formats import format_of
from lifecycle.formats.base import SCRATCH, Contents, Scope
from opsconsole.engines.sqlite import probe
from tests.support import sqlite_files as files
from tests.support import sqlite_worker as worker
from tests.support.fake_run import FakeRun

PORTABLE = format_of("sqlite", "json")
CELLS: list[Any] = [
    None, 0, -1, 2**63 - 1, -(2**63), 0.1 + 0.2, 1 / 3, 12.34, 1e-320, 5e-324, 1.7976931348623157e308, float("inf"),
    -1e15, 100.0, "", "text", "NULL", "a\0b", "\u2028\U0001f600\x01", '{"$bytes": "AA=="}', '"quoted"\\', b"",
    b"\x00\xff", bytes(range(256)) * 40,
]  # fmt: skip
SCRIPT = """
    PRAGMA user_version=7; PRAGMA application_id=99;
    CREATE TABLE cells (id INTEGER PRIMARY KEY, bare, i INTEGER, r REAL, t TEXT, n NUMERIC, b BLOB,
        "a ""b"" 'c' é" TEXT DEFAULT 'x', twice INTEGER GENERATED ALWAYS AS (id * 2) STORED, CHECK (id > 0));
    CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, cells_id INTEGER REFERENCES cells(id));
    CREATE TABLE pairs (a TEXT, b INTEGER, PRIMARY KEY (b, a)) WITHOUT ROWID;
    CREATE TABLE keyless (a, b);
    CREATE TABLE strict_ones (id INTEGER PRIMARY KEY, at TEXT, x ANY) STRICT;
    CREATE INDEX by_text ON cells (t) WHERE t IS NOT NULL;
    CREATE VIEW seen AS SELECT id, t FROM cells;
    CREATE TRIGGER on_seen INSTEAD OF INSERT ON seen BEGIN INSERT INTO cells (t) VALUES (NEW.t); END;
    CREATE TRIGGER never BEFORE INSERT ON cells WHEN NEW.t = 'forbidden'
        BEGIN SELECT raise(ABORT, 'a trigger fired'); END;
    INSERT INTO counted (cells_id) VALUES (1), (2), (NULL); DELETE FROM counted WHERE id = 3;
    INSERT INTO pairs VALUES ('z', 1), ('a', 2), ('a', 1);
    INSERT INTO keyless VALUES (2, x'00'), (1, NULL), (2, x'00'); DELETE FROM keyless WHERE rowid = 2;
    INSERT INTO strict_ones VALUES (1, '2026-01-05', 1.5), (2, NULL, x'ff');
"""


@pytest.fixture
def awkward(tmp_path: Path) -> Path:
    path = tmp_path / "live" / "awkward.db"
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.executescript(SCRIPT)
        insert = "INSERT INTO cells (bare, i, r, t, n, b) VALUES (?, ?, ?, ?, ?, ?)"
        db.executemany(insert, [(cell,) * 6 for cell in CELLS])
        db.execute("INSERT INTO cells (bare, t) VALUES (CAST(x'61ff62' AS TEXT), CAST(x'eda080' AS TEXT))")
        db.execute("UPDATE cells SET t = 'forbidden' WHERE id = 2")
    db.close()
    return path


@pytest.fixture
def run(tmp_path: Path) -> FakeRun:
    (tmp_path / "work").mkdir()
    return FakeRun(operation_id=worker.OPERATION, fence=2, workdir=tmp_path / "work")


def taken(live: Path, base: Path, run: FakeRun, scope: Scope) -> Contents:
    return PORTABLE.write(files.engine(live, label=run.label), worker.archive(base, run.part), run, scope)


def stored(base: Path, key: str) -> Any:
    data = (base / "store" / "backups/x/7" / key).read_bytes()
    return json.loads(zstd.decompress(data) if key.endswith(".zst") else data)


def state(path: Path) -> list[Any]:
    """Everything that a file holds: definitions, sequences, numbers of its header, and each table's digest."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        facts = probe.facts(db)
        names = ("page_size", "auto_vacuum", "application_id", "user_version", "encoding")
        tables = {name: probe.digest(db, name) for name in probe.table_names(db)}
        found = [probe.fingerprint(db), probe.sequences(db), {name: facts[name] for name in names}, tables]
    db.close()
    return found


@pytest.mark.parametrize("apart", [False, True])
def test_every_cell_comes_back(awkward: Path, tmp_path: Path, run: FakeRun, apart: bool) -> None:
    before, engine, archive = state(awkward), files.engine(awkward, label=run.label), worker.archive(tmp_path, run.part)
    contents = taken(awkward, tmp_path, run, Scope(apart=apart))
    PORTABLE.read_through(archive, contents, run)
    prepared = PORTABLE.prepare(engine, archive, contents, run, method=SCRATCH)
    assert PORTABLE.differences(engine, archive, contents, prepared, run) == []
    PORTABLE.clean_up(engine, run.operation_id, run.fence)
    files.run_sql(awkward, "DROP VIEW seen", "DELETE FROM cells")
    with engine.hold() as lock:
        prepared = PORTABLE.prepare(engine, archive, contents, run, method="swap")
        PORTABLE.publish(engine, lock, archive, contents, prepared, run)
    assert state(awkward) == before
