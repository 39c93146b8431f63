"""A statement that somebody configured can only read a copy, and gives one answer or says why not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from opsconsole.engines.sqlite import asking
from tests.support.cases import make_shop


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make_shop(tmp_path / "shop.sqlite", journal="DELETE")


def one(shop: Path, statement: str, seconds: int = 5) -> tuple[int, str | None, str]:
    (answer,) = asking.ask(shop, [statement], seconds=seconds)
    return answer.rows, answer.first, answer.error


def test_it_gives_the_number_of_rows_and_the_first_value(shop):
    assert one(shop, "SELECT count(*) = 200, 'more' FROM orders;") == (1, "1", "")
    assert one(shop, "SELECT id FROM orders WHERE id < 0") == (0, None, "")
    assert one(shop, "SELECT NULL UNION ALL SELECT 1 UNION ALL SELECT 2")[0] == 2


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM orders",
        "WITH gone AS (SELECT 1) DELETE FROM orders",
        "CREATE TABLE more (a)",
        "ATTACH '/tmp/other.sqlite' AS other",
        "PRAGMA query_only=OFF",
        "SELECT load_extension('x')",
        "SELECT 1; DELETE FROM orders",
        "SELECT no_such_column FROM orders",
        "VACUUM INTO '/tmp/copy.sqlite'",
    ],
)
def test_what_does_more_than_read_is_refused(shop, statement):
    before = shop.read_bytes()
    rows, _, error = one(shop, statement)
    assert (rows, shop.read_bytes()) == (0, before)
    assert error


def test_a_statement_without_an_end_is_stopped_and_the_next_one_is_asked(shop):
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    slow, quick = asking.ask(shop, [endless, "SELECT 7"], seconds=1)
    assert (slow.error, quick.first) == ("it took longer than 1 seconds", "7")


def test_a_statement_that_eats_memory_ends_the_child_only(shop):
    greedy = "SELECT length(group_concat(x, '')) FROM (SELECT hex(zeroblob(200000000)) x UNION ALL SELECT 1)"
    (answer,) = asking.ask(shop, [greedy], seconds=10)
    assert answer.error
    assert sqlite3.connect(shop).execute("SELECT count(*) FROM orders").fetchone() == (200,)
