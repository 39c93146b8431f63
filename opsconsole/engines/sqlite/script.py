"""Migrations' texts on SQLite: statement after statement, on one connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar

from opsconsole.engines.scripting import Patience, Script, ScriptFailed, Value
from opsconsole.engines.sqlite import connections
from opsconsole.engines.sqlite.files import Spot

_ENDED = "The text ended the transaction by itself (COMMIT or ROLLBACK), so that what follows would stand alone."
_ONLY_ITS_OWN = "No other database file can be attached or written here."
_OF_THE_PROCESS = frozenset({"temp_store_directory", "data_store_directory"})
_OF_THE_PLACE = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN}
)


class SqliteScript(Script):
    vendor: ClassVar[str] = "sqlite"

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection, self._path = connection, path

    def run(self, text: str, *, tick: Callable[[], None] = lambda: None) -> int | None:
        wrote = -1
        with connections.ticked(self._connection, tick):
            for line, statement in statements(text):
                tick()
                with self._explained(line):
                    cursor = self._connection.execute(statement)
                    cursor.fetchall()
                    wrote = cursor.rowcount
        return wrote if wrote >= 0 else None

    def ask(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        with self._explained():
            return self._connection.execute(sql, [_bound(value) for value in values]).fetchall()

    def write(self, sql: str, values: Sequence[Value] = ()) -> int:
        with self._explained():
            return self._connection.execute(sql, [_bound(value) for value in values]).rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            if not self.in_transaction:
                raise ScriptFailed(_ENDED, code="no_transaction")
            with self._explained():
                self._connection.execute("COMMIT")
        except BaseException:
            if self.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    @contextmanager
    def _explained(self, line: int = 0) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0)
            if code & 0xFF in _OF_THE_PLACE:
                raise connections.explained(error, self._path) from error
            denied = code & 0xFF == sqlite3.SQLITE_AUTH
            raise ScriptFailed(
                _ONLY_ITS_OWN if denied else " ".join(str(error).split()),
                code=getattr(error, "sqlite_errorname", ""),
                line=line,
                locked=code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
            ) from error


@contextmanager
def opened(spot: Spot, patience: Patience, *, read_only: bool, foreign_keys: bool) -> Iterator[SqliteScript]:
    """A connection to the file; foreign keys are enforced, or not, as the tool's own connections have it."""
    if read_only:
        with connections.reading(spot) as connection:
            connection.set_authorizer(_authorize)
            yield SqliteScript(connection, spot.path)
        return
    with connections.writing(spot, foreign_keys=foreign_keys, busy_seconds=patience.lock) as connection:
        connection.set_authorizer(_authorize)
        yield SqliteScript(connection, spot.path)


def _authorize(action: int, first: str | None, second: str | None, schema: str | None, source: str | None) -> int:
    """Keep a script in its own file: others would be written past their locks and approvals, or from a rehearsal.

    VACUUM attaches a file whose name is empty; a name that is an expression arrives here as None.
    """
    attaches = action == sqlite3.SQLITE_ATTACH and first != ""
    elsewhere = action == sqlite3.SQLITE_PRAGMA and str(first).lower() in _OF_THE_PROCESS
    return sqlite3.SQLITE_DENY if attaches or elsewhere else sqlite3.SQLITE_OK


def statements(text: str) -> Iterator[tuple[int, str]]:
    """(1-based line, text) of each statement, as SQLite itself tells where one ends; a last one needs no semicolon."""
    start, place = 0, text.find(";")
    while place >= 0:
        if sqlite3.complete_statement(text[start : place + 1]):
            yield from _numbered(text, start, place + 1)
            start = place + 1
        place = text.find(";", place + 1)
    yield from _numbered(text, start, len(text))


def _numbered(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    part = text[start:end]
    if bare := part.strip().lstrip("\ufeff"):
        yield text.count("\n", 0, start + part.index(bare)) + 1, bare


def _bound(value: Value) -> Value:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
