"""Whether a store answers at all, found out in seconds whatever it does.

A folder on a mount that hangs holds whoever touches it, and nothing can interrupt that; a server may take a connection
and say nothing. So a look runs in a thread, and is given up when its time is over: the thread ends when the store does
answer, and nobody looks there a second time before. Backups, restores and copies keep their own patience.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from opsconsole.exceptions import OperationFailed
from opsconsole.models import Store
from opsconsole.storage import Store as Opened
from opsconsole.stores.opening import open_row

ANSWER_SECONDS = 5.0  # that a store has to answer once
WHOLE_SECONDS = 60.0  # of a look at one that goes on answering: disks are busy, and servers list what they hold
Found = TypeVar("Found")
_mutex = threading.Lock()
_looking: dict[str, threading.Thread] = {}  # the last look, by store


def look(row: Store, at: Callable[[Opened], Found]) -> Found:
    """Open a store and look at it. Raises what `at` raises, or OperationFailed("store_timeout").

    `at` is called in a thread that may outlive this: it does not touch the console's database.
    """
    if row.kind == Store.Kind.FOLDER:  # the whole look has no word for one answer, so it is asked for one before
        within(row.name, lambda: open_row(row).free_bytes())
    else:  # each request to a server has its time
        import opsconsole.storage.s3  # noqa: F401  it takes a while to load, for which the store is not to blame
    return within(row.name, lambda: at(open_row(row, seconds=ANSWER_SECONDS)), WHOLE_SECONDS)


def within(name: str, act: Callable[[], Found], seconds: float = 0) -> Found:
    """What `act` gives back about a store. Raises what `act` raises, or OperationFailed("store_timeout").

    `seconds` are those that it may take, 0 for those of one answer.
    """
    seconds = seconds or ANSWER_SECONDS
    until, mine = time.monotonic() + seconds, _Look(name, act)
    while not _take_turn(name, mine):
        before = _looking.get(name)
        if before is not None:
            before.join(max(0.0, until - time.monotonic()))
        if time.monotonic() >= until:
            raise _silent(name, seconds, "An earlier look at it still waits for an answer.")
    mine.join(max(0.0, until - time.monotonic()))
    if mine.is_alive():
        raise _silent(name, seconds)
    if mine.error is not None:
        raise mine.error
    return mine.found[0]


class _Look(threading.Thread, Generic[Found]):
    """One look. It is a daemon, so that one which hangs keeps no process from ending."""

    def __init__(self, name: str, act: Callable[[], Found]) -> None:
        super().__init__(name=f"look at store {name}", daemon=True)
        self._act = act
        self.found: list[Found] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.found.append(self._act())
        except Exception as error:  # whatever it is, it is raised where the look was asked for
            self.error = error


def _take_turn(name: str, look: threading.Thread) -> bool:
    """Start a look, unless one at the same store is under way."""
    with _mutex:
        before = _looking.get(name)
        if before is not None and before.is_alive():
            return False
        _looking[name] = look
        look.start()
        return True


def _silent(name: str, seconds: float, more: str = "") -> OperationFailed:
    return OperationFailed(
        "store_timeout",
        f"The store {name} did not answer within {seconds:g} s. {more}".strip(),
        "Look at its mount or its server, and at the network between, then press Check on the page of the store, or "
        "run `manage.py store check`.",
    )
