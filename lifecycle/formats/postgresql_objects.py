"""Objects of a backup of PostgreSQL: how they are opened, what is expected of them, what is said when they fail."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from lifecycle.formats.base import Archive, Progress, StoredObject
from opsconsole.exceptions import OperationFailed


def damaged(key: str, why: str) -> OperationFailed:
    """The error of an object that is not what the manifest says."""
    return OperationFailed("backup_damaged", f"The object {key} is damaged: {why}.", "Restore from another backup.")


def expected(item: StoredObject) -> Mapping[str, Any]:
    """What a copy worker must find in an object."""
    return {"size": item.size, "sha256": item.sha256, "plain_size": item.plain_size, "plain_sha256": item.plain_sha256}


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
