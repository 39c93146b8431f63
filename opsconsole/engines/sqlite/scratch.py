"""What differs between two sets of rows, found in a private file without a name, at constant memory.

Only hashes of keys and rows are written. SQLite removes such a file as soon as it has opened it, so that a killed
process leaves nothing behind.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from opsconsole.engines.sqlite.connections import problems

CACHE_KIB = 8 << 10
T = TypeVar("T")
Hashed = tuple[bytes, bytes]  # of a row's key, and of the whole row


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Rows by key: only among the first, only among the second, in both with another content."""

    only_first: int
    only_second: int
    changed: int


class Scratch:
    """Takes the rows of one table from two sides. A row without a key is given with its own hash as the key."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("CREATE TABLE given (key BLOB, row BLOB, side INTEGER)")

    def first(self, rows: Iterable[Hashed]) -> None:
        self._take(rows, 1)

    def second(self, rows: Iterable[Hashed]) -> None:
        self._take(rows, -1)

    def difference(self) -> Difference:
        """Equal rows cancel out, each copy once; what is left is counted by key."""
        execute = self._connection.execute
        execute(
            "CREATE TABLE left_over AS SELECT key, row, sum(side) AS n FROM given"
            " GROUP BY key, row HAVING sum(side) <> 0"
        )
        execute("CREATE TABLE by_key AS SELECT key, sum(n) AS n FROM left_over GROUP BY key HAVING sum(n) <> 0")
        (rows,) = execute("SELECT coalesce(sum(n), 0) FROM left_over WHERE n > 0").fetchone()
        first, second = execute(
            "SELECT coalesce(sum(max(n, 0)), 0), coalesce(sum(max(-n, 0)), 0) FROM by_key"
        ).fetchone()
        return Difference(only_first=first, only_second=second, changed=rows - first)

    def surplus(self, rows: Iterable[tuple[bytes, T]]) -> Iterator[T]:
        """After `difference`, of the first side's rows (each with its key's hash) those that only it has."""
        self._connection.execute("CREATE INDEX place ON by_key (key)")
        taking = "UPDATE by_key SET n = n - 1 WHERE key = ? AND n > 0"
        for key, row in rows:
            if self._connection.execute(taking, (key,)).rowcount:
                yield row

    def clear(self) -> None:
        """Forget everything, for the next table."""
        self._connection.execute("DELETE FROM given")
        for table in ("left_over", "by_key"):
            self._connection.execute(f"DROP TABLE IF EXISTS {table}")

    def _take(self, rows: Iterable[Hashed], side: int) -> None:
        self._connection.executemany(f"INSERT INTO given VALUES (?, ?, {side})", rows)


@contextmanager
def scratch() -> Iterator[Scratch]:
    """A scratch file for as long as the context lasts."""
    with problems("a scratch file"), closing(sqlite3.connect("", isolation_level=None)) as connection:
        for setting in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{CACHE_KIB}", "temp_store=FILE"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute("BEGIN")
        yield Scratch(connection)
