"""Whether a store answers at all, found out in seconds whatever it does.

A folder on a mount that hangs holds whoever touches it, and nothing can interrupt that; a server may take a connection
and say nothing. So a look runs in a thread, and is given up when its time is over: the thread ends when the store does
answer, and only so many wait for that. Backups, restores and copies keep their own patience.
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
AT_ONCE = 4  # looks at one store, in one process
Found = TypeVar("Found")
_mutex = threading.Lock()
_rooms: dict[str, threading.Semaphore] = {}  # for looks, by store


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
    until, room = time.monotonic() + seconds, _room(name)
    if not room.acquire(timeout=seconds):
        raise _silent(name, seconds, "Earlier looks at it still wait for an answer.")
    look = _Look(name, act, room.release)
    look.start()
    look.join(max(0.0, until - time.monotonic()))
    if look.is_alive():
        raise _silent(name, seconds)
    if look.error is not None:
        raise look.error
    return look.found[0]


class _Look(threading.Thread, Generic[Found]):
    """One look. It is a daemon, so that one which hangs keeps no process from ending."""

    def __init__(self, name: str, act: Callable[[], Found], ended: Callable[[], None]) -> None:
        super().__init__(name=f"look at store {name}", daemon=True)
        self._act, self._ended = act, ended
        self.found: list[Found] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.found.append(self._act())
        except Exception as error:  # whatever it is, it is raised where the look was asked for
            self.error = error
        finally:
            self._ended()


def _room(name: str) -> threading.Semaphore:
    with _mutex:
        return _rooms.setdefault(name, threading.Semaphore(AT_ONCE))


def _silent(name: str, seconds: float, more: str = "") -> OperationFailed:
    return OperationFailed(
        "store_timeout",
        f"The store {name} did not answer within {seconds:g} s. {more}".strip(),
        "Look at its mount or its server, and at the network between, then press Check on the page of the store, or "
        "run `manage.py store check`.",
    )
