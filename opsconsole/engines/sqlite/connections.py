"""Connections to SQLite: safe settings, a deadline for every statement, and errors in the console's words."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote

from opsconsole.engines.sqlite.files import Spot, sound
from opsconsole.exceptions import OperationFailed, OpsError, TargetProblem

OLDEST_SUPPORTED = (3, 40, 0)
BUSY_SECONDS = 5.0
DEADLINE_SECONDS = 60.0
_SQLITE_WAITS = 0.05  # seconds for which SQLite itself waits for a lock, before we look again
_TICK_EVERY = 50_000  # virtual machine instructions between two looks by whoever watches
_CHECK_EVERY = 20_000  # virtual machine instructions between two looks at the clock
_NEXT_STEPS = {
    "locked": "Wait for the program that uses it, or stop that program, then try again.",
    "not_a_database": "Name another file, or restore this one from a backup.",
    "permission": "Give the user that runs the console read and write access to the file and its folder.",
    "timeout": "Try again when the machine is less busy.",
    "refused": "Look at the file and its disk.",
}
_CODES = {
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_CORRUPT: "not_a_database",
    sqlite3.SQLITE_NOTADB: "not_a_database",
    sqlite3.SQLITE_CANTOPEN: "permission",
    sqlite3.SQLITE_PERM: "permission",
    sqlite3.SQLITE_READONLY: "permission",
    sqlite3.SQLITE_AUTH: "permission",
    sqlite3.SQLITE_INTERRUPT: "timeout",
}

# Files (device, inode) that this process holds exclusively in rollback mode, for the length of a copy into them. No
# ordinary connection can read such a file, not even ours; what is on disk is still the old content, whole.
_held_exclusively: set[tuple[int, int]] = set()


def require_supported_library() -> None:
    """Raises TargetProblem("version") when the SQLite library of this Python is too old."""
    if sqlite3.sqlite_version_info < OLDEST_SUPPORTED:
        raise TargetProblem(
            "version",
            f"This Python has SQLite {sqlite3.sqlite_version}; the console needs 3.40 or newer.",
            "Install a newer SQLite library for the Python that runs the console.",
        )


class Patient(sqlite3.Connection):
    """Tries a statement that meets a lock again and again, for `patience` seconds.

    SQLite's own waiting soon looks only every tenth of a second, and starves beside a program that writes all the time.
    """

    patience = BUSY_SECONDS

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        until = time.monotonic() + self.patience
        while True:
            try:
                return super().execute(sql, parameters)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
            time.sleep(0.003)


@contextmanager
def reading(spot: Spot, *, seconds: float = DEADLINE_SECONDS, busy_seconds: float = BUSY_SECONDS) -> Iterator[Patient]:
    """A connection that cannot change anything; everything done with it ends after `seconds`."""
    with problems(spot.path), _opened(spot, query_only=True, busy_seconds=busy_seconds) as connection:
        limit(connection, seconds)
        yield connection


@contextmanager
def writing(spot: Spot, *, foreign_keys: bool, busy_seconds: float = BUSY_SECONDS) -> Iterator[sqlite3.Connection]:
    """A connection that may write. It has no deadline of its own."""
    with problems(spot.path), _opened(spot, query_only=False, busy_seconds=busy_seconds) as connection:
        connection.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        connection.execute("PRAGMA synchronous=EXTRA")
        yield connection


@contextmanager
def private(path: str) -> Iterator[sqlite3.Connection]:
    """A connection to a file of our own, which exists, nobody else uses, and no crash needs to leave behind."""
    facts = os.lstat(path)
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1:
        raise TargetProblem("refused", f"{path} was replaced by something else.", "Look who writes in that folder.")
    uri = f"file:{quote(path)}?mode=rw"
    with problems(path), closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        _require_same_file(path, (facts.st_dev, facts.st_ino))
        _settle(connection)
        connection.execute("PRAGMA synchronous=OFF")
        yield connection


def limit(connection: sqlite3.Connection, seconds: float) -> None:
    """Interrupt the connection's statements from `seconds` after now on."""
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _CHECK_EVERY)


@contextmanager
def ticked(connection: sqlite3.Connection, tick: Callable[[], None]) -> Iterator[None]:
    """Call `tick` while statements run, some times a second; what it raises ends them and comes out here."""
    stopped: list[BaseException] = []

    def look() -> bool:
        try:
            tick()
        except BaseException as error:
            stopped.append(error)
        return bool(stopped)

    connection.set_progress_handler(look, _TICK_EVERY)
    try:
        yield
    except Exception:
        if stopped:
            raise stopped[0] from None
        raise
    finally:
        connection.set_progress_handler(None, 0)


@contextmanager
def interrupted_after(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Like `limit`, for the length of a context, and also for work that runs no instructions: counts and checks."""
    over = threading.Event()

    def watch() -> None:
        ended = over.wait(max(0.0, seconds))
        while not ended:
            connection.interrupt()
            ended = over.wait(0.02)  # an interrupt between two statements is lost

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@contextmanager
def held_exclusively(spot: Spot) -> Iterator[None]:
    """While this lasts, readers in this process read the file as it is on disk (see `_held_exclusively`)."""
    facts = spot.stat()
    key = (facts.st_dev, facts.st_ino)
    _held_exclusively.add(key)
    try:
        yield
    finally:
        _held_exclusively.discard(key)


@contextmanager
def problems(path: str) -> Iterator[None]:
    """Turn errors of SQLite into TargetProblem, and a full disk into OperationFailed("disk_full")."""
    try:
        yield
    except sqlite3.Error as error:
        raise explained(error, path) from error


def explained(error: sqlite3.Error, path: str) -> OpsError:
    """An error of SQLite in the console's words. Extended codes carry their primary code in the low byte."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_WRITE:
        return OperationFailed(
            "disk_full",
            f"The disk took no more while {path} was being written (full, over its quota, or failing).",
            "Free space, then ask for the operation again.",
        )
    code = _CODES.get(primary, "refused")
    return TargetProblem(code, f"SQLite cannot use {path}: {error}.", _NEXT_STEPS[code])


@contextmanager
def _opened(spot: Spot, *, query_only: bool, busy_seconds: float) -> Iterator[Patient]:
    require_supported_library()
    facts = sound(spot)
    key = (facts.st_dev, facts.st_ino)
    mode = "immutable=1" if query_only and key in _held_exclusively else "mode=rw"
    uri = f"file:{quote(spot.path)}?{mode}"
    connected = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=_SQLITE_WAITS, factory=Patient,
        check_same_thread=not query_only,  # an inquiry waits in one thread and is answered in another
    )  # fmt: skip
    with closing(connected) as connection:
        connection.patience = busy_seconds
        _require_same_file(spot.path, key)
        _settle(connection)
        connection.execute(f"PRAGMA query_only={'ON' if query_only else 'OFF'}")
        yield connection


def _settle(connection: sqlite3.Connection) -> None:
    # trusted_schema stays on: without it SQLite 3.40 cannot read any schema that checks json_valid(), as Django's do.
    # What it would forbid are unsafe functions and virtual tables, and none are loaded here.
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    for setting in ("cell_size_check=ON", "mmap_size=0"):
        connection.execute(f"PRAGMA {setting}")


def _require_same_file(path: str, key: tuple[int, int]) -> None:
    """SQLite opens by name. Make sure that what it opened is the file that was examined."""
    if not any(_identity(int(name)) == key for name in os.listdir("/proc/self/fd")):
        raise TargetProblem("refused", f"{path} was replaced while it was being opened.", "Try again.")


def _identity(fd: int) -> tuple[int, int] | None:
    try:
        facts = os.fstat(fd)
    except OSError:
        return None  # closed meanwhile
    return facts.st_dev, facts.st_ino
