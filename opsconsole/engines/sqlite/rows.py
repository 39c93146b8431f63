"""Rows of an SQLite database for a comparison: each as bytes that are equal when its stored cells are."""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from opsconsole.engines.sqlite import probe
from opsconsole.engines.sqlite.cells import values_of
from opsconsole.engines.sqlite.connections import interrupted_after, private
from opsconsole.engines.sqlite.engine import SqliteEngine

_FRAME = struct.Struct("!I")
Bytes = tuple[bytes | None, bytes]  # the key's cells (None without a key), and all cells


class TooSlow(Exception):
    """It could not be read in time, or a row is too large; `why` is for people."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A table's stored columns with their declared types, and its primary key."""

    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]


class Reading:
    """One file as it is read; every method raises TooSlow. `seconds_left` gives the time that a statement may take."""

    def __init__(self, connection: sqlite3.Connection, seconds_left: Callable[[], float]) -> None:
        self._connection = connection
        self._seconds_left = seconds_left

    @cached_property
    def tables(self) -> dict[str, Stored]:
        """Every user table by name."""
        return {name: self._stored(name) for name in probe.table_names(self._connection)}

    def count(self, table: str) -> int:
        """Exact rows."""
        with self._in_time():
            return probe.row_count(self._connection, table)

    def all_rows(self, table: str, key: Sequence[str]) -> Iterator[Bytes]:
        """Every row in the order of the table's own tree."""
        with self._in_time():
            yield from self._connection.execute(f"SELECT {self._what(table, key)} FROM {_from(table)}")

    def some_rows(self, table: str, key: Sequence[str], wanted: int) -> list[Bytes]:
        """So many rows: from the table's beginning, its middle and its end."""
        part, of = max(1, wanted // 3), self.count(table)
        starts = dict.fromkeys((0, max(0, of // 2 - part // 2), max(0, of - part)))
        sql = f"SELECT {self._what(table, key)} FROM {_from(table)} LIMIT ? OFFSET ?"
        with self._in_time():
            return [row for start in starts for row in self._connection.execute(sql, (part, start))]

    def rows_with(self, table: str, key: Sequence[str], keys: Iterable[bytes]) -> list[Bytes]:
        """The rows that have one of these keys (as `Bytes` holds them)."""
        where = " AND ".join(f"{probe.quoted(name)} IS ?" for name in key)
        sql = f"SELECT {self._what(table, key)} FROM {probe.quoted(table)} WHERE {where}"
        with self._in_time():
            return [row for cells in keys for row in self._connection.execute(sql, values_of(cells))]

    def newest(self, table: str, column: str) -> object:
        """The largest value of a column."""
        with self._in_time():
            sql = f"SELECT max({probe.quoted(column)}) FROM {probe.quoted(table)}"
            return self._connection.execute(sql).fetchone()[0]

    def _stored(self, table: str) -> Stored:
        sql = "SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid"
        rows = self._connection.execute(sql, (table,)).fetchall()
        keyed = sorted((place, name) for name, _, place in rows if place)
        return Stored(columns=tuple((name, kind) for name, kind, _ in rows), key=tuple(name for _, name in keyed))

    def _what(self, table: str, key: Sequence[str]) -> str:
        """The two values of `Bytes` in SQL."""
        return f"{_cells(key) if key else 'NULL'}, {_cells(probe.stored_columns(self._connection, table))}"

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        try:
            with interrupted_after(self._connection, self._seconds_left()):
                yield
        except sqlite3.DataError:
            raise TooSlow("it has rows that are too large") from None
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise TooSlow("the time for comparing was over") from None
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise TooSlow("another program keeps the file locked") from None
            raise


@contextmanager
def live(engine: SqliteEngine, seconds: float, seconds_left: Callable[[], float]) -> Iterator[Reading]:
    """A live file, open for `seconds` at most; seen at one moment where that keeps nobody waiting (with a log)."""
    with engine.reading(seconds=seconds) as connection:
        if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            _pin(connection)
        yield Reading(connection, seconds_left)


@contextmanager
def unpacked(path: str, seconds_left: Callable[[], float]) -> Iterator[Reading]:
    """A private file, which is gone from its folder as soon as it is open. Nothing is written to it."""
    with private(path) as connection:
        connection.execute("PRAGMA query_only=ON")
        _pin(connection)
        os.unlink(path)
        yield Reading(connection, seconds_left)


def framed(cells: bytes) -> bytes:
    """The cells of a row behind their length, for a stream of rows."""
    return _FRAME.pack(len(cells)) + cells


def unframed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The inverse of `framed` over a whole stream. Raises ValueError when it is cut off."""
    buffer = bytearray()
    for block in blocks:
        buffer += block
        at = 0
        while len(buffer) - at >= _FRAME.size:
            end = at + _FRAME.size + _FRAME.unpack_from(buffer, at)[0]
            if end > len(buffer):
                break
            yield bytes(buffer[at + _FRAME.size : end])
            at = end
        del buffer[:at]
    if buffer:
        raise ValueError("the stream is cut off in the middle of a row")


def _pin(connection: sqlite3.Connection) -> None:
    """See one moment from now on."""
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()


def _cells(names: Sequence[str]) -> str:
    return "CAST(" + "||'|'||".join(map(probe.cell, names)) + " AS BLOB)"


def _from(table: str) -> str:
    return f"{probe.quoted(table)} NOT INDEXED"
