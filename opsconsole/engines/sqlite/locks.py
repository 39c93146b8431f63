"""The lock of a target: flock on `REALPATH.opsconsole-lock`, whose content is the holder's label and since when.

The kernel frees it when the holder dies, whatever kills it. The file is removed only by the one who holds the lock
on it, and whoever gets the lock then looks whether its file is still the one in the folder, and starts again if it
is not: so nobody ever holds a lock on a file that others no longer see. A file left by a killed holder is harmless;
the next holder of the target takes it over and removes it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from opsconsole import process
from opsconsole.engines.base import Holder, TargetBusy, TargetLock
from opsconsole.engines.labels import Label
from opsconsole.engines.sqlite.files import LOCK_SUFFIX, Spot
from opsconsole.exceptions import TargetProblem

PATIENCE_SECONDS = 0.2  # whoever only looks who holds the lock has it for less
TAKEOVER_SECONDS = 5.0
_NEXT_STEP = "Look who removes files beside the database, then ask for the operation again."


class FileLock(TargetLock):
    """The lock while it is held."""

    def __init__(self, spot: Spot, fd: int) -> None:
        self._spot = spot
        self._fd = fd

    def confirm(self) -> None:
        if not _is_current(self._spot, self._fd):
            raise TargetProblem("locked", f"Somebody removed the lock file beside {self._spot.path}.", _NEXT_STEP)


@contextmanager
def held(spot: Spot, label: str) -> Iterator[FileLock]:
    """Hold the lock. Raises TargetBusy; ends a holder of the same operation with a lower fence first."""
    fd = _take(spot, label)
    try:
        _write_label(fd, label)
        yield FileLock(spot, fd)
    finally:
        if _is_current(spot, fd):
            spot.remove(_name(spot))
        os.close(fd)


def holder(spot: Spot) -> Holder | None:
    """Who holds the lock now; None when nobody does."""
    try:
        fd = _open(spot, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if _locked(fd) else _read_label(fd)
    finally:
        os.close(fd)


def discard(spot: Spot, label: Label) -> None:
    """Remove the lock file that a dead run, or an earlier one of the same operation, left behind."""
    try:
        fd = _open(spot, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        left = Label.of(_read_label(fd).label)
        if (left == label or label.supersedes(left)) and _locked(fd) and _is_current(spot, fd):
            spot.remove(_name(spot))
    finally:
        os.close(fd)


def _take(spot: Spot, label: str) -> int:
    began = time.monotonic()
    while True:
        fd = _open(spot, os.O_RDWR | os.O_CREAT)
        if not _locked(fd):
            other = _read_label(fd)
            os.close(fd)
            _wait_or_refuse(other, label, time.monotonic() - began)
        elif _is_current(spot, fd):
            return fd
        else:
            os.close(fd)  # its holder removed it between our opening and our locking


def _wait_or_refuse(other: Holder, label: str, waited: float) -> None:
    """Give way to the other holder for a moment, or end it when it is a superseded worker of ours."""
    superseded = _superseded(other.label, label)
    if waited > (PATIENCE_SECONDS if superseded is None else TAKEOVER_SECONDS):
        raise TargetBusy(other)
    if superseded is not None:
        process.kill_marked(f"{superseded.operation}.{superseded.fence}", instance=superseded.prefix.partition("/")[2])
    time.sleep(0.01)


def _superseded(theirs: str, mine: str) -> Label | None:
    """The label of a holder of my own operation, of this console, with a lower fence; None for anybody else."""
    other, own = Label.of(theirs), Label.of(mine)
    return other if own is not None and own.supersedes(other) else None


def _open(spot: Spot, flags: int) -> int:
    try:
        return os.open(_name(spot), flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=spot.folder_fd)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise TargetProblem(
            "permission",
            f"The lock file {spot.path}{LOCK_SUFFIX} cannot be written: {os.strerror(error.errno or 0)}.",
            "Let the user that runs the console write the folder, and remove what else is in the file's place.",
        ) from error


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_current(spot: Spot, fd: int) -> bool:
    try:
        there = os.stat(_name(spot), dir_fd=spot.folder_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(fd))


def _name(spot: Spot) -> str:
    return spot.name + LOCK_SUFFIX


def _write_label(fd: int, label: str) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{label}\n{datetime.now(UTC).isoformat(timespec='seconds')}\n".encode(), 0)


def _read_label(fd: int) -> Holder:
    label, _, since = os.pread(fd, 4096, 0).decode("utf-8", "replace").partition("\n")
    return Holder(label or "another console", since.strip())
