"""Digests of rows: the same whatever the order, another one for any other row, in the same memory at any size."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsconsole.engines.postgresql import PostgresEngine
from opsconsole.engines.postgresql.copying import DIGESTS, CopyWorkers, Task

ROWS = "(SELECT n AS id, md5(n::text) AS word FROM generate_series(1, {}) n ORDER BY n {})"


def nothing() -> Any:
    return open(os.devnull, "rb")


@pytest.fixture
def digest(open_database: Callable[..., PostgresEngine]) -> Callable[..., tuple[int, str, int]]:
    """A function of a query: (rows, digest, the worker's peak in KiB)."""

    def it(query: str, *, binary: bool = True) -> tuple[int, str, int]:
        sql = f"COPY {query} TO STDOUT (FORMAT {'binary' if binary else 'text'})"
        task = Task(name="it", order={"do": "digest_table", "sql": sql, "binary": binary}, open=nothing)
        connector = open_database().connector
        with CopyWorkers(tick=lambda done: None, count=1, program=DIGESTS, connector=connector) as workers:
            ((_, _, facts),) = workers.run([task])
            status = Path(f"/proc/{workers._seats[0].child.pid}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
        return facts["rows"], facts["digest"], peak

    return it


@pytest.mark.parametrize("binary", [True, False])
def test_order_does_not_matter_and_everything_else_does(digest, binary):
    rows, total, _ = digest(ROWS.format(300, ""), binary=binary)
    assert (rows, len(total)) == (300, 32)
    assert digest(ROWS.format(300, "DESC"), binary=binary)[:2] == (300, total)
    others = [
        "(SELECT 1 AS id, NULL::text AS word LIMIT {})",
        "(SELECT 1, NULL::text UNION ALL SELECT 1, NULL LIMIT {})",
    ]
    assert len({digest(query.format(2), binary=binary)[1] for query in [*others, ROWS.format(1, "")]} | {total}) == 4
    assert digest("(SELECT 1 WHERE false)", binary=binary)[:2] == (0, "0" * 32)


def test_two_rows_that_are_alike_are_not_two_others(digest):
    assert digest("(VALUES (1), (1), (2))")[1] != digest("(VALUES (1), (2), (2))")[1]


def test_its_memory_does_not_grow_with_the_table(digest):
    small, large = (digest(ROWS.format(rows, ""))[2] for rows in (1000, 200_000))
    assert large < 64 << 10
    assert large - small < 6 << 10
