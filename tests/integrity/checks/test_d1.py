"""Limits of D1."""

from __future__ import annotations

from pathlib import Path

from integrity.checks import moments
from integrity.checks.base import Held, Severity
from integrity.checks.d1 import D1Rows, D1Schema, D1Size
from opsconsole.engines.sqlite import SqliteEngine
from tests.integrity.conftest import Ground


def test_what_d1_would_refuse_is_critical_there_and_nothing_elsewhere(on_sqlite):
    wide, narrow = (", ".join(f"c{number}" for number in range(count)) for count in (101, 100))
    long = " OR ".join(f"c0 = {number}" for number in range(10_000))
    on_sqlite.change(
        f"CREATE TABLE wide ({wide}); CREATE TABLE narrow ({narrow}); CREATE VIEW long AS SELECT 1 FROM wide WHERE"
        f" c0 IN ({long.replace('c0 = ', '').replace(' OR ', ', ')}{', 123456' * 10_000});"
        f"CREATE VIEW likes AS SELECT 1 FROM texts WHERE a LIKE '{'a' * 51}'; CREATE TABLE checked (a TEXT CHECK ("
        f"a GLOB '{'ü' * 25}' AND a <> 'LIKE {'a' * 60}'));"
        "CREATE TABLE texts (id INTEGER PRIMARY KEY, a TEXT, b BLOB); CREATE VIRTUAL TABLE words USING fts5(w);"
        "INSERT INTO texts VALUES (1, hex(zeroblob(500000)), zeroblob(1000001)),"  # 1 byte too much
        " (2, hex(zeroblob(500000)), zeroblob(1000000)),"
        " (3, replace(hex(zeroblob(300000)), '0', 'ü'), zeroblob(900000)),"
        " (4, NULL, NULL)"
    )
    checks = D1Size(), D1Schema(), D1Rows()
    assert not on_sqlite.look(*checks)
    found = on_sqlite.found(*checks, d1=True)
    assert {subject: each.severity for subject, each in found.items()} == {
        "columns of wide": Severity.CRITICAL, "view long": Severity.CRITICAL, "virtual table words": Severity.INFO,
        "texts": Severity.CRITICAL, "patterns of view likes": Severity.WARNING,
    }  # fmt: skip
    assert (found["texts"].count, found["texts"].of) == (2, 4)
    held = {each.subject for each in on_sqlite.look(*checks, d1=True) if isinstance(each, Held)}
    assert {"database", "columns of narrow", "wide", "table wide", "patterns of table checked"} <= held


def test_a_database_that_fills_what_d1_gives_it_is_told_before_it_is_full(on_sqlite):
    on_sqlite.change("CREATE TABLE t (v); INSERT INTO t VALUES (zeroblob(100000))")
    size = on_sqlite.engine.size_bytes()
    assert on_sqlite.found(D1Size(most=size), d1=True)["database"].severity is Severity.CRITICAL
    assert on_sqlite.found(D1Size(most=int(size * 1.2)), d1=True)["database"].severity is Severity.WARNING
    assert not on_sqlite.found(D1Size(most=size * 2), d1=True)


def test_whoever_opens_a_moment_of_a_d1_database_asks_it_as_one(on_sqlite: Ground, tmp_path: Path) -> None:
    as_d1 = SqliteEngine(SqliteEngine.parse(f"{on_sqlite.url}?flavour=d1", roots=[tmp_path]))
    for engine, expected in ((as_d1, True), (on_sqlite.engine, False)):
        with moments.opened(engine, "ground", seconds=5) as moment:
            assert moment.d1 is expected
