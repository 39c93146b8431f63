"""Errors of the machine's parts in the console's words, so that a full disk or a lost database is no crash."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError

from opsconsole.exceptions import OperationFailed, OpsError
from opsconsole.storage import disk_failure


def foreseen(error: Exception) -> OpsError | None:
    """The error in the console's words, None for one that nobody foresaw."""
    if isinstance(error, OpsError):
        return error
    if isinstance(error, OperationalError | InterfaceError):
        return OperationFailed(
            "console_database",
            "the console's own database does not answer, or takes no writes.",
            "Look whether it runs and whether its disk is full, then try again.",
        )
    return disk_failure(error) if isinstance(error, OSError) else None
