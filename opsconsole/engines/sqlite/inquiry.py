"""Asking a SQLite database about one moment: one read transaction, in which people's SELECTs can only read."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from opsconsole.engines.inquiry import AskFailed, Inquiry
from opsconsole.engines.scripting import Value
from opsconsole.engines.sqlite import connections
from opsconsole.engines.sqlite.asking import only_reads
from opsconsole.engines.sqlite.files import Spot

LONGEST_VALUE = 64 << 20  # bytes that one value made by people's SQL may have
_LOOK_EVERY = 20_000  # virtual machine instructions between two looks at the clock
# A damaged page (SQLITE_CORRUPT) is none of these: it spoils one question, and other tables may be sound.
_OF_THE_PLACE = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN})


class SqliteInquiry(Inquiry):
    vendor: ClassVar[str] = "sqlite"

    def __init__(self, spot: Spot, connection: sqlite3.Connection, seconds: float) -> None:
        self._spot, self._connection, self._seconds = spot, connection, seconds
        self._tick: Callable[[], None] | None = None

    def ask(self, sql: str, values: Sequence[Value] = (), *, seconds: float = 0.0) -> list[tuple[Any, ...]]:
        with self._bounded(seconds or self._seconds):
            return self._connection.execute(sql, list(values)).fetchall()

    def ask_people(self, statement: str, *, seconds: float = 0.0, most: int = 1000) -> list[dict[str, Any]]:
        asked = f"SELECT * FROM (\n{statement.strip().rstrip(';')}\n) LIMIT {int(most)}"
        self._connection.set_authorizer(only_reads)
        longest = self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        try:
            with self._bounded(seconds or self._seconds):
                cursor = self._connection.execute(asked)
                names = [column[0] for column in cursor.description]
                return [dict(zip(names, map(_plain, row), strict=True)) for row in cursor.fetchall()]
        finally:
            self._connection.set_authorizer(None)
            self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)

    @contextmanager
    def beside(self) -> Iterator[Inquiry]:
        with opened(self._spot, seconds=self._seconds) as other:
            other._tick = self._tick
            yield other

    @contextmanager
    def ticked(self, tick: Callable[[], None]) -> Iterator[None]:
        before, self._tick = self._tick, tick
        try:
            yield
        finally:
            self._tick = before

    @contextmanager
    def _bounded(self, seconds: float) -> Iterator[None]:
        """Let statements run for so long, and turn their errors into answers that somebody can read."""
        until, stopped = time.monotonic() + seconds, list[BaseException]()

        def look() -> bool:
            try:
                if self._tick is not None:
                    self._tick()
            except BaseException as error:
                stopped.append(error)
            return bool(stopped) or time.monotonic() > until

        self._connection.set_progress_handler(look, _LOOK_EVERY)
        try:
            yield
        except (sqlite3.Error, sqlite3.Warning) as error:
            if stopped:
                raise stopped[0] from None
            raise _failed(error, self._spot.path, seconds) from error
        finally:
            self._connection.set_progress_handler(None, 0)


@contextmanager
def opened(spot: Spot, *, seconds: float) -> Iterator[SqliteInquiry]:
    """An inquiry whose questions may take `seconds` each."""
    with connections.reading(spot) as connection:
        connection.set_progress_handler(None, 0)  # each question has a deadline of its own
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the moment is this one
        try:
            yield SqliteInquiry(spot, connection, seconds)
        finally:
            connection.execute("ROLLBACK")


def _plain(value: Any) -> Any:
    """A value as `ask_people` gives it; bytes as hexadecimal digits, like PostgreSQL's."""
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return repr(value) if isinstance(value, float) else value


def _failed(error: sqlite3.Error | sqlite3.Warning, path: str, seconds: float) -> Exception:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _OF_THE_PLACE and isinstance(error, sqlite3.Error):
        return connections.explained(error, path)
    if code == sqlite3.SQLITE_INTERRUPT:
        return AskFailed(f"it took longer than {seconds:g} seconds", code="SQLITE_INTERRUPT", timeout=True)
    locked = code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return AskFailed(" ".join(str(error).split()), code=getattr(error, "sqlite_errorname", ""), locked=locked)
