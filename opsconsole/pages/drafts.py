"""A reason written for a decision that was refused (a wrong number, an old password), kept for the next try."""

from __future__ import annotations

from django.http import HttpRequest

from opsconsole.models import Operation

_KEY = "reason-drafts"
_MOST = 20  # of one session


def keep(request: HttpRequest, operation: Operation, reason: str) -> None:
    """Remember what was written about an operation, until it is decided or the session ends."""
    drafts = dict(request.session.get(_KEY, {}))
    drafts.pop(str(operation.pk), None)
    if reason:
        drafts[str(operation.pk)] = reason
    request.session[_KEY] = dict(list(drafts.items())[-_MOST:])


def of(request: HttpRequest, operation: Operation) -> str:
    """What was written about an operation the last time."""
    return str(request.session.get(_KEY, {}).get(str(operation.pk), ""))


def forget(request: HttpRequest, operation: Operation) -> None:
    keep(request, operation, "")
