"""Asking a SQLite database about one moment: statements that can only read, and sessions that share the moment."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from opsconsole.engines import inquiry as engine_inquiry
from opsconsole.engines.inquiry import AskFailed, Inquiry
from opsconsole.engines.sqlite import SqliteEngine
from opsconsole.exceptions import TargetProblem
from tests.support.shops import ORDERS, SqliteShop


def opened(shop: SqliteShop) -> Any:
    return SqliteEngine(SqliteEngine.parse(shop.url, roots=[Path("/")])).inquiry(seconds=30)


@pytest.fixture
def shop(tmp_path: Path) -> SqliteShop:
    return SqliteShop.make(tmp_path)


@pytest.fixture
def inquiry(shop: SqliteShop) -> Iterator[Inquiry]:
    with opened(shop) as found:
        yield found


READS_NO_MORE = (
    "SELECT load_extension('x')",
    "SELECT fts3_tokenizer('simple')",
    "PRAGMA query_only=OFF",
    "SELECT * FROM pragma_query_only",
    "SELECT * FROM pragma_table_info('orders')",
    "ATTACH ':memory:' AS other",
    "VACUUM INTO '/tmp/copy-of-an-inquiry.sqlite'",
    "SELECT 1) ; PRAGMA query_only=OFF; SELECT * FROM (SELECT 1",
    "SELECT hex(zeroblob(2000000)) AS one",  # longer than a value may be
)


def test_statements_of_people_can_only_read(inquiry: Inquiry) -> None:
    for statement in READS_NO_MORE:
        with pytest.raises(AskFailed):
            inquiry.ask_people(statement)
    assert inquiry.ask("PRAGMA query_only") == [(1,)]
    assert inquiry.ask_people("SELECT count(*) AS n, x'00ff' AS raw FROM orders") == [{"n": ORDERS, "raw": "\\x00ff"}]


def test_a_statement_that_eats_memory_is_ended(inquiry: Inquiry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsconsole.engines.sqlite.inquiry.MOST_MEMORY", 64 << 20)
    many = ", ".join(f"hex(zeroblob(900000 + n.i + {number})) AS c{number}" for number in range(600))
    endless = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000) SELECT * FROM n) AS n"
    with pytest.raises(AskFailed, match="64 MiB of memory"):
        inquiry.ask_people(f"SELECT max(length(c0 || c11)) AS n FROM (SELECT {many} FROM {endless} ORDER BY 1)")


def test_functions_in_which_nothing_can_be_interrupted_are_given_little(inquiry: Inquiry) -> None:
    long = "hex(zeroblob(800000))"
    slow = f"trim({long}, replace(hex(zeroblob(200000)), '0', 'b') || '0')"
    with pytest.raises(AskFailed, match="raised exception"):  # it would take hours
        inquiry.ask_people(f"SELECT {slow} AS one", seconds=1)
    same = "trim('xxaxx', 'xy') AS a, ltrim(12, 1) AS b, rtrim(1.5, '5') AS c, trim(NULL, 'a') AS d, trim(' e ') AS e"
    expected = {"a": "a", "b": "2", "c": "1.", "d": None, "e": "e"}
    assert inquiry.ask_people(f"SELECT {same}") == [expected]
    assert inquiry.ask(f"SELECT {same}") == [tuple(expected.values())]


def test_a_count_and_a_check_of_pages_are_ended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They run no instructions of SQLite's machine, at which it would look at a clock."""
    monkeypatch.setattr(engine_inquiry, "TICK_SECONDS", 0.002)  # the check of so small a file takes a tenth of a second
    path = tmp_path / "large.sqlite"
    with closing(sqlite3.connect(path)) as db:
        series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 400000)"
        db.execute(f"CREATE TABLE numbers AS {series} SELECT i, i AS j FROM n")
        db.execute("CREATE INDEX one ON numbers (i, j)")
        db.commit()
    with opened(SqliteShop(path)) as inquiry:
        for statement in ("SELECT count(*) FROM numbers AS a, numbers AS b", "PRAGMA integrity_check"):
            with pytest.raises(AskFailed) as failed:
                inquiry.ask(statement, seconds=0.001)
            assert failed.value.timeout
        assert inquiry.ask("SELECT count(*) FROM numbers") == [(400_000,)]


def test_sessions_beside_share_the_moment_or_are_not_given(shop: SqliteShop, inquiry: Inquiry) -> None:
    with inquiry.beside() as other:
        assert other.ask("SELECT count(*) FROM orders") == [(ORDERS,)]
    shop.lose(3)
    with pytest.raises(AskFailed, match="written since"), inquiry.beside():
        pass
    assert inquiry.ask("SELECT count(*) FROM orders") == [(ORDERS,)]


def test_without_a_log_writers_wait_and_the_moment_is_shared(tmp_path: Path) -> None:
    shop = SqliteShop.make(tmp_path, journal="DELETE")
    with opened(shop) as inquiry, closing(sqlite3.connect(shop.path, timeout=0)) as writer:
        with inquiry.beside() as other:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                writer.execute("DELETE FROM orders")
                writer.commit()
            assert other.ask_people("SELECT count(*) AS n FROM orders") == [{"n": ORDERS}]
        with pytest.raises(AskFailed) as failed, inquiry.beside():  # the writer holds its place
            pass
        assert failed.value.locked
        writer.rollback()
        assert inquiry.ask("SELECT count(*) FROM orders") == [(ORDERS,)]


def test_a_damaged_table_is_an_answer_and_a_lost_file_is_a_problem(shop: SqliteShop) -> None:
    with closing(sqlite3.connect(shop.path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((root, size),) = db.execute(
            "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = 'orders'"
        )
    with shop.path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    with opened(shop) as inquiry:
        with pytest.raises(AskFailed, match="malformed"):
            inquiry.ask("SELECT sum(cents) FROM orders")
        assert inquiry.ask("SELECT count(*) FROM customers") == [(10,)]
    os.truncate(shop.path, 100)
    with pytest.raises(TargetProblem), opened(shop) as inquiry:
        inquiry.ask("SELECT count(*) FROM orders")
