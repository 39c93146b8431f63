"""What a disk refuses, as failures that say what to do next."""

from __future__ import annotations

import errno
import os
from types import TracebackType

from opsconsole.exceptions import OperationFailed

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
