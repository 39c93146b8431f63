"""Objects of a backup of PostgreSQL: how they are opened, what is expected of them, what is said when they fail."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, BinaryIO

from lifecycle.formats.base import Archive, Progress, StoredObject
from lifecycle.formats.streams import damaged, expected


def reading_order(archive: Archive, item: StoredObject) -> dict[str, Any]:
    """What a copy worker has to know to read an object. It travels through a socket, never through an argument."""
    keys = {"identities": list(archive.identities)} if item.encryption else {}
    return {"expected": expected(item), **keys}


def opener(archive: Archive, key: str) -> Callable[[], BinaryIO]:
    """A function that opens an object when its turn comes. It raises OperationFailed("backup_damaged")."""

    def open_object() -> BinaryIO:
        try:
            return archive.store.open(archive.key(key))
        except FileNotFoundError:
            raise damaged(key, "it is missing") from None

    return open_object


def digest(data: bytes) -> str:
    """`sha256:...` of bytes in memory."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def ticker(run: Progress, step: str, total: int) -> Callable[[int], None]:
    """A function that reports bytes and stops when the run is cancelled."""

    def tick(done: int) -> None:
        run.progress(min(done, total), total, "bytes", step=step)
        run.check_cancel()

    return tick
