"""The contract of a store, and what all stores share."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import IO, BinaryIO

from opsconsole.exceptions import OperationFailed, Refused

CHUNK_BYTES = 1 << 20
PART = ".part"  # ends the name of what is not published; nobody lists it
_KEY = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*(/[A-Za-z0-9_.][A-Za-z0-9_.-]*)*")


def check_key(key: str) -> str:
    """The key itself. Raises Refused for one that could leave the store, or that hides what it names."""
    if not _KEY.fullmatch(key) or ".." in key.split("/") or key.endswith(PART):
        raise Refused("bad_key", f"{key!r} is not a key of the store.")
    return key


class Transfer:
    """Something with a descriptor whose bytes a thread of ours carries on.

    A child process at the other end only sees its pipe close. `failure` is then the reason, and stands above whatever
    the child made of it: bytes that did not arrive are no damage.
    """

    failure: OperationFailed | None = None


def failure_of(handle: object) -> OperationFailed | None:
    """Why the bytes of an open object or a writer did not get through; None when nothing is known against it."""
    return handle.failure if isinstance(handle, Transfer) else None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What looking closely at a store has found. `free_bytes` is None where nobody can tell.

    `refuses_doubles`: the store itself refuses to publish a key twice, whatever happens at the same moment.
    `unfinished` counts uploads that were begun and have neither ended nor been given up.
    """

    free_bytes: int | None
    refuses_doubles: bool
    unfinished: int = 0


class ObjectWriter(ABC):
    """One object being written. `fileno()` may be inherited by a child process that writes the bytes itself."""

    key: str

    @abstractmethod
    def fileno(self) -> int: ...

    @abstractmethod
    def write(self, data: bytes) -> int: ...

    @abstractmethod
    def sync(self) -> None:
        """Make the bytes durable where that can be done without showing them. Nothing may be written after it."""

    @abstractmethod
    def publish(self) -> None:
        """Make the object appear under its key, durably. Calls `sync` when that has not been done.

        Raises FileExistsError when the key is published already.
        """

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
    """A place for artifacts. What goes wrong with it comes out as OperationFailed with the next step."""

    @abstractmethod
    def create(self, key: str, *, part: str) -> ObjectWriter:
        """Begin an object; `part` (`OPERATION.FENCE`) names what is not published yet, for `sweep`."""

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """Read an object; a child may inherit its descriptor, which is at its start. Raises FileNotFoundError."""

    @abstractmethod
    def size(self, key: str) -> int:
        """Bytes of an object. Raises FileNotFoundError."""

    @abstractmethod
    def sizes(self, prefix: str) -> dict[str, int]:
        """Published keys below a folder, and the bytes of each."""

    def keys(self, prefix: str) -> list[str]:
        """Published keys below a folder, sorted."""
        return sorted(self.sizes(prefix))

    @abstractmethod
    def folders(self, prefix: str, *, depth: int) -> list[str]:
        """The folders exactly `depth` levels below one, sorted; empty when it does not exist."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object; gone is fine too."""

    @abstractmethod
    def sweep(self, prefix: str, *, part: str) -> int:
        """Remove what one operation left unpublished below a folder and give back how many objects that was."""

    @abstractmethod
    def remove_folder(self, prefix: str) -> None:
        """Forget an empty folder, where the store has such things; one that is not empty stays."""

    @abstractmethod
    def free_bytes(self) -> int | None:
        """What may still be written; None where nobody can tell."""

    @abstractmethod
    def examine(self) -> Facts:
        """Write, read and remove a small object, and say what was found. Raises OperationFailed with the class."""


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
