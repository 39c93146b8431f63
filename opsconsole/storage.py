"""Streams of bytes to and from a store of artifacts. A key is `/`-separated; only complete objects can be read.

An object is written to a part file that nobody lists, and appears under its key when it is published. A second
publication of the same key fails, so nothing that is listed ever changes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO

from opsconsole.exceptions import OperationFailed, Refused

CHUNK_BYTES = 1 << 20
_KEY = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*(/[A-Za-z0-9_.][A-Za-z0-9_.-]*)*")


class ObjectWriter(ABC):
    """One object being written. `fileno()` may be inherited by a child process that writes the bytes itself."""

    key: str

    @abstractmethod
    def fileno(self) -> int: ...

    @abstractmethod
    def write(self, data: bytes) -> int: ...

    @abstractmethod
    def sync(self) -> None:
        """Make the bytes durable; they are still not visible."""

    @abstractmethod
    def publish(self) -> None:
        """Make the object appear under its key, durably. Calls `sync` when that has not been done."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what was written, unless it was published."""

    def __enter__(self) -> ObjectWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


class Store(ABC):
    """A place for artifacts."""

    @abstractmethod
    def create(self, key: str, *, part: str) -> ObjectWriter:
        """Begin an object; `part` (`OPERATION.FENCE`) names the part file, so that a zombie's is never published."""

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """Read an object. Raises FileNotFoundError."""

    @abstractmethod
    def size(self, key: str) -> int: ...

    @abstractmethod
    def keys(self, prefix: str) -> list[str]:
        """Published keys below a folder, sorted."""

    @abstractmethod
    def folders(self, prefix: str, *, depth: int) -> list[str]:
        """The folders exactly `depth` levels below one, sorted; empty when it does not exist."""

    @abstractmethod
    def delete(self, key: str) -> None: ...

    @abstractmethod
    def sweep(self, prefix: str, *, part: str) -> int:
        """Remove part files of one operation below a folder and give back how many there were."""

    @abstractmethod
    def remove_folder(self, prefix: str) -> None:
        """Forget an empty folder, where the store has such things; one that is not empty stays."""

    @abstractmethod
    def free_bytes(self) -> int: ...


class FolderStore(Store):
    """A store in a folder of this machine: directories 0700, files 0600, every publication fsynced."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with disk_errors(f"the store {root}"):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """The file of a key. Raises Refused for a key that could leave the store."""
        if not _KEY.fullmatch(key) or ".." in key.split("/") or key.endswith(".part"):
            raise Refused("bad_key", f"{key!r} is not a key of the store.")
        return self.root / key

    def create(self, key: str, *, part: str) -> FolderWriter:
        target = self.path(key)
        with disk_errors(key):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FolderWriter(key, target, target.with_name(f"{target.name}.{part}.part"))

    def open(self, key: str) -> BinaryIO:
        return self.path(key).open("rb")

    def size(self, key: str) -> int:
        return self.path(key).stat().st_size

    def keys(self, prefix: str) -> list[str]:
        folder = self.path(prefix)
        found = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".part"))
        return sorted(str(path.relative_to(self.root)) for path in found)

    def folders(self, prefix: str, *, depth: int) -> list[str]:
        found = self.path(prefix).glob("/".join("*" * depth))
        return sorted(str(path.relative_to(self.root)) for path in found if path.is_dir())

    def delete(self, key: str) -> None:
        path = self.path(key)
        path.unlink()
        _sync_folder(path.parent)

    def sweep(self, prefix: str, *, part: str) -> int:
        folder = self.path(prefix)
        left = list(folder.rglob(f"*.{part}.part")) if folder.is_dir() else []
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def remove_folder(self, prefix: str) -> None:
        folder = self.path(prefix)
        for path in sorted([*folder.rglob("*"), folder], reverse=True):
            with contextlib.suppress(OSError):  # not empty, or never made
                path.rmdir()

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.root).free


class FolderWriter(ObjectWriter):
    def __init__(self, key: str, target: Path, part: Path) -> None:
        self.key = key
        self._target = target
        self._part = part
        with disk_errors(key):
            self._fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._open = True

    def fileno(self) -> int:
        return self._fd

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        with disk_errors(self.key):
            while view:
                view = view[os.write(self._fd, view) :]
        return len(data)

    def sync(self) -> None:
        with disk_errors(self.key):
            os.fsync(self._fd)

    def publish(self) -> None:
        self.sync()
        os.close(self._fd)
        self._open = False
        with disk_errors(self.key):
            os.link(self._part, self._target)  # unlike rename, this refuses to replace what is already published
            self._part.unlink()
            _sync_folder(self._target.parent)

    def discard(self) -> None:
        if self._open:
            os.close(self._fd)
            self._open = False
            self._part.unlink(missing_ok=True)


FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
FAILING = frozenset(
    {errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.ENOTDIR}
)


class disk_errors:
    """Turn what a disk refuses into a failure that says what to do next (see `disk_failure`)."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and (found := disk_failure(error, self.what)):
            raise found from error


def disk_failure(error: OSError, what: str = "") -> OperationFailed | None:
    """`disk_full` (space, a quota, a file-size limit), `no_permission`, `disk_failed`, or None for any other error.

    `what` was being written; without it the error's own file name is used.
    """
    name, said = what or str(error.filename or "a file"), os.strerror(error.errno or 0)
    if error.errno in FULL:
        return OperationFailed(
            "disk_full",
            f"There was no space left while writing {name} ({said}).",
            "Free space or enlarge the disk of the store, then ask for the operation again.",
        )
    if error.errno in FORBIDDEN:
        return OperationFailed(
            "no_permission",
            f"The console may not use {name} ({said}).",
            "Let the user that runs the console read and write there (owner, mode, mount), then ask again.",
        )
    if error.errno in FAILING:
        return OperationFailed(
            "disk_failed", f"The disk failed at {name} ({said}).", "Look at that disk or its mount, then ask again."
        )
    return None


def sha256_of(stream: IO[bytes]) -> str:
    """`sha256:...` of what is left in a stream, in constant memory."""
    total = hashlib.sha256()
    for chunk in chunks_of(stream):
        total.update(chunk)
    return "sha256:" + total.hexdigest()


def chunks_of(stream: IO[bytes], size: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The rest of a stream in pieces of at most `size` bytes."""
    while chunk := stream.read(size):
        yield chunk


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
