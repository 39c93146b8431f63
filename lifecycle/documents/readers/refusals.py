"""What a reader raises when a file is not what it seemed."""

from __future__ import annotations

from opsconsole.exceptions import OperationFailed


def unreadable(why: str, next_step: str = "Make the file again with the tool that wrote it.") -> OperationFailed:
    """`why` is a whole sentence that says where."""
    return OperationFailed("unreadable", why, next_step)
