"""Copying whole databases with SQLite's backup API: a live one into a private file, and a private file over a live one.

A live file is never renamed over or written to in any other way: its write-ahead log and the locks of those who use
it belong to its inode. A copy into it is one transaction, so a crash leaves what was there before.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from opsconsole.engines.sqlite import probe
from opsconsole.engines.sqlite.connections import held_exclusively, private, reading, writing
from opsconsole.engines.sqlite.files import Spot
from opsconsole.exceptions import TargetProblem

PAGES_A_STEP = 1024
POLITE_RESTARTS = 3
WAIT_SECONDS = 30.0  # for a lock that somebody else holds
COPY_SECONDS = 1800.0  # for the copy into a live database, which nobody can write meanwhile
_BETWEEN_TRIES = 0.005
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class _Disturbed(Exception):
    """Others wrote so often that the copy began again and again."""


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What happens during a copy into a live database; each may raise, which leaves the old content in place.

    `locked` once the database cannot be written by anybody else; `copied(pages, of pages)` after every page but the
    last; `last` just before the page that completes and commits the copy.
    """

    locked: Callable[[], None]
    copied: Callable[[int, int], None]
    last: Callable[[], None]


def snapshot(spot: Spot, path: str, copied: Callable[[int, int], None]) -> str:
    """Copy a live database as of one moment into a new private file, hidden tables left out; its journal mode.

    With a write-ahead log others go on writing. In rollback mode the copy first gives way to writers between steps,
    which makes SQLite begin again; after a few of those it keeps them waiting to the end, so it always ends.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with reading(spot, busy_seconds=WAIT_SECONDS) as live:
        mode = str(live.execute("PRAGMA journal_mode").fetchone()[0])
        try:
            _copy_out(live, path, copied, pinned=mode == "wal")
        except _Disturbed:
            _copy_out(live, path, copied, pinned=True)
    with private(path) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")
        copy.execute("PRAGMA secure_delete=ON")
        for table in probe.table_names(copy, hidden=True):
            copy.execute(f"DROP TABLE {probe.quoted(table)}")
    return mode


def replace(spot: Spot, staging: str, hooks: Hooks, *, wait_seconds: float = WAIT_SECONDS) -> None:
    """Copy a private file of at least two pages over a live database, in one transaction.

    Raises TargetProblem("locked") when others keep the database for `wait_seconds`.
    """
    with private(staging) as source, writing(spot, foreign_keys=False, busy_seconds=wait_seconds) as live:
        _pin(source)
        wal = live.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        guard = _Guard(spot, hooks, wal=wal, wait_seconds=wait_seconds)
        while not _copied_in(source, live, guard):
            time.sleep(_BETWEEN_TRIES)


class _Guard:
    """Watches a copy into a live database. SQLite calls it after every step, and after every try that found a lock."""

    def __init__(self, spot: Spot, hooks: Hooks, *, wal: bool, wait_seconds: float) -> None:
        self._spot = spot
        self._hooks = hooks
        self._wal = wal
        self._until = time.monotonic() + wait_seconds
        self._locked = False

    @property
    def may_try_again(self) -> bool:
        return not self._locked and time.monotonic() < self._until

    def __call__(self, status: int, remaining: int, total: int) -> None:
        if status == sqlite3.SQLITE_DONE:
            return  # committed: nothing here may raise any more
        if time.monotonic() > self._until:
            raise _in_use(self._spot) if status in _BUSY else _too_slow(self._spot)
        if status in _BUSY:
            return
        if not self._locked:
            self._begin()
        self._hooks.copied(total - remaining, total)
        if remaining == 1:
            self._hooks.last()

    def _begin(self) -> None:
        self._locked = True
        self._until = time.monotonic() + COPY_SECONDS
        with nullcontext() if self._wal else held_exclusively(self._spot):
            self._hooks.locked()


def _copied_in(source: sqlite3.Connection, live: sqlite3.Connection, guard: _Guard) -> bool:
    """One run of the copy; False when it met a writer at the very start in a way that Python does not try again."""
    try:
        source.backup(live, pages=1, progress=guard, sleep=_BETWEEN_TRIES)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _BUSY or not guard.may_try_again:
            raise
        return False
    return True


def _copy_out(live: sqlite3.Connection, path: str, copied: Callable[[int, int], None], *, pinned: bool) -> None:
    restarts, before, until = 0, None, time.monotonic() + WAIT_SECONDS

    def watch(status: int, remaining: int, total: int) -> None:
        nonlocal restarts, before, until
        if status in _BUSY and time.monotonic() > until:
            raise TargetProblem("locked", "Another program keeps the database locked.", "Stop it, then try again.")
        if status not in _BUSY:
            restarts += before is not None and remaining >= before
            before, until = remaining, time.monotonic() + WAIT_SECONDS
        if restarts > POLITE_RESTARTS:
            raise _Disturbed
        copied(total - remaining, total)

    if pinned:
        _pin(live)
    try:
        with private(path) as copy:
            live.backup(copy, pages=PAGES_A_STEP, progress=watch, sleep=_BETWEEN_TRIES)
    finally:
        if live.in_transaction:
            live.execute("ROLLBACK")


def _pin(connection: sqlite3.Connection) -> None:
    """Begin a read transaction and keep it: the connection sees one state until it ends."""
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()


def _in_use(spot: Spot) -> TargetProblem:
    return TargetProblem(
        "locked",
        f"Other programs kept {spot.path} locked, so nothing was changed.",
        "Stop what writes to it (or what reads it for long), then ask for the operation again.",
    )


def _too_slow(spot: Spot) -> TargetProblem:
    return TargetProblem(
        "timeout", f"Copying into {spot.path} took too long, so nothing was changed.", "Use a faster disk."
    )
