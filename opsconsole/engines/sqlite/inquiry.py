"""Asking a SQLite database about one moment: one read transaction, in which people's SELECTs can only read.

In WAL mode nobody waits for it. In the other journal modes nobody can commit while it lasts. Sessions beside it see the
same moment: another connection watches whether anybody has committed since, and there is none once somebody has.
"""

from __future__ import annotations

import math
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from opsconsole.engines.inquiry import MOST_ANSWERED, AskFailed, Inquiry, attended, without_values
from opsconsole.engines.scripting import Value
from opsconsole.engines.sqlite import connections
from opsconsole.engines.sqlite.asking import only_reads
from opsconsole.engines.sqlite.files import Spot

# Bytes that one value in people's SQL may have, read or made. Some functions (instr, replace, json_patch) take the
# square of it in steps, in which nothing interrupts them.
LONGEST_VALUE = 2 << 20
LONGEST_SET = 1000  # characters that trim() looks for at each end: it takes them for every character of the value
MOST_MEMORY = 512 << 20  # bytes by which the process may grow while a statement of people is answered
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: LONGEST_VALUE,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,  # matching takes the pattern's length times the value's
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
# A damaged page (SQLITE_CORRUPT) is none of these: it spoils one question, and other tables may be sound.
_OF_THE_PLACE = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN})
_TRIES = 5
BESIDE_SECONDS = 0.5  # how long a session beside waits for whoever writes
_PAGE = os.sysconf("SC_PAGE_SIZE")
T = TypeVar("T")


class _Over(Exception):
    """A question went beyond its bounds; `timeout` tells of which."""

    def __init__(self, why: str, *, timeout: bool) -> None:
        super().__init__(why)
        self.why, self.timeout = why, timeout


class SqliteInquiry(Inquiry):
    vendor: ClassVar[str] = "sqlite"

    def __init__(self, spot: Spot, connection: sqlite3.Connection, seconds: float, since: _Since) -> None:
        super().__init__(seconds)
        self._spot, self._connection, self._since = spot, connection, since

    def ask(self, sql: str, values: Sequence[Value] = (), *, seconds: float = 0.0) -> list[tuple[Any, ...]]:
        return self._bounded(lambda: self._connection.execute(sql, list(values)).fetchall(), seconds, 0)

    def ask_people(self, statement: str, *, seconds: float = 0.0, most: int = 1000) -> list[dict[str, Any]]:
        asked = f"SELECT * FROM (\n{statement.strip().rstrip(';')}\n) LIMIT {int(most)}"
        connection = self._connection
        before = {limit: connection.setlimit(limit, value) for limit, value in _LIMITS.items()}
        for name, work in _TRIMS.items():
            connection.create_function(name, 2, work, deterministic=True)
        connection.set_authorizer(only_reads)
        try:
            self._bounded(lambda: connection.execute(f"EXPLAIN {asked}").close(), seconds, MOST_MEMORY)
            return self._discreetly(lambda: _rows(connection, asked), seconds)
        finally:
            connection.set_authorizer(None)
            for limit, value in before.items():
                connection.setlimit(limit, value)

    @contextmanager
    def beside(self) -> Iterator[Inquiry]:
        with connections.reading(self._spot, busy_seconds=BESIDE_SECONDS) as connection:
            try:
                _begin(connection)
                same = self._since.same()
            except sqlite3.OperationalError as error:  # somebody waits to write, and lets no more readers in
                raise self._failed(error) from error
            if not same:
                raise AskFailed("the file was written since, so that no other session sees the same moment")
            with closing(SqliteInquiry(self._spot, connection, self.seconds, self._since)) as other:
                other._tick = self._tick
                yield other

    def close(self) -> None:
        """Let the moment go."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _discreetly(self, work: Callable[[], T], seconds: float) -> T:
        """Do work of people's; what SQLite quotes, now that the words were read, may be a value."""
        try:
            return self._bounded(work, seconds, MOST_MEMORY)
        except AskFailed as error:
            why = without_values(error.why)
            raise AskFailed(why, code=error.code, timeout=error.timeout, locked=error.locked) from error

    def _bounded(self, work: Callable[[], T], seconds: float, memory: int) -> T:
        """Do work that uses the connection, for so long, and with so many bytes more (0: as many as it takes)."""
        seconds = seconds or self.seconds
        until, size = time.monotonic() + seconds, _resident()

        def look() -> None:
            self._tick()
            if time.monotonic() > until:
                raise _Over(f"it took longer than {seconds:g} seconds", timeout=True)
            if memory and _resident() - size > memory:
                raise _Over(f"it took more than {memory >> 20} MiB of memory", timeout=False)

        try:
            # interrupts, and not SQLite's own progress handler: counts and checks of pages run no instructions
            return attended(work, look, self._connection.interrupt)
        except _Over as over:
            raise AskFailed(over.why, code="SQLITE_INTERRUPT", timeout=over.timeout) from None
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise self._failed(error) from error
        except MemoryError as error:
            raise AskFailed("it took more memory than there is", code="SQLITE_NOMEM") from error

    def _failed(self, error: sqlite3.Error | sqlite3.Warning) -> Exception:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        lost = code in _OF_THE_PLACE or not self._connection.in_transaction
        if lost and isinstance(error, sqlite3.Error):
            return connections.explained(error, self._spot.path)
        return AskFailed(
            " ".join(str(error).split()),
            code=getattr(error, "sqlite_errorname", ""),
            locked=code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
        )


class _Since:
    """Whether anybody has committed since a read transaction began, as another connection sees it."""

    def __init__(self, watcher: sqlite3.Connection) -> None:
        self._watcher = watcher
        self._version: int | None = None

    def begin(self, connection: sqlite3.Connection) -> None:
        """Begin the read transaction. Beside a program that commits without a pause, it may not be known when."""
        for _ in range(_TRIES):
            version = self._look()
            _begin(connection)
            if self._look() == version:
                self._version = version
                return
            connection.execute("ROLLBACK")
        _begin(connection)

    def same(self) -> bool:
        return self._version is not None and self._look() == self._version

    def _look(self) -> int:
        return int(self._watcher.execute("PRAGMA data_version").fetchone()[0])


@contextmanager
def opened(spot: Spot, *, seconds: float) -> Iterator[SqliteInquiry]:
    """An inquiry whose questions may take `seconds` each."""
    with connections.reading(spot) as watcher, connections.reading(spot) as connection:
        watcher.set_progress_handler(None, 0)
        since = _Since(watcher)
        since.begin(connection)
        watcher.patience = BESIDE_SECONDS
        with closing(SqliteInquiry(spot, connection, seconds, since)) as inquiry:
            yield inquiry


def _begin(connection: sqlite3.Connection) -> None:
    connection.set_progress_handler(None, 0)  # each question has a deadline of its own
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the moment is this one


def _rows(connection: sqlite3.Connection, asked: str) -> list[dict[str, Any]]:
    """Taken row by row: what they hold altogether is bounded."""
    rows: list[dict[str, Any]] = []
    left = MOST_ANSWERED
    with closing(connection.execute(asked)) as cursor:
        names = [column[0] for column in cursor.description]
        for row in cursor:
            left -= sum(len(value) if isinstance(value, str | bytes) else 8 for value in row)
            if left < 0:
                raise AskFailed("its rows are too large to be looked at; ask for fewer columns", code="SQLITE_TOOBIG")
            rows.append(dict(zip(names, map(_plain, row), strict=True)))
    return rows


def _plain(value: Any) -> Any:
    """A value as `ask_people` gives it; bytes as hexadecimal digits, like PostgreSQL's."""
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return repr(value) if isinstance(value, float) else value


def _trimmed(strip: Callable[[str, str], str]) -> Callable[[Any, Any], str | None]:
    """SQLite's function of the same name, for sets of few characters. What it raises, the statement raises."""

    def work(value: Any, characters: Any) -> str | None:
        if value is None or characters is None:
            return None
        text, these = _text(value), _text(characters)
        if len(these) > LONGEST_SET:
            raise ValueError
        return strip(text, these) if these else text

    return work


def _text(value: Any) -> str:
    """A value as text, like a CAST."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and math.isfinite(value):
        digits = format(value, ".15g")
        return digits if re.search("[.e]", digits) else f"{digits}.0"
    return str(value)


_TRIMS = {"trim": _trimmed(str.strip), "ltrim": _trimmed(str.lstrip), "rtrim": _trimmed(str.rstrip)}


def _resident() -> int:
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
