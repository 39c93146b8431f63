"""The finding that something could not be looked at."""

from __future__ import annotations

from integrity.checks.base import Found, Severity
from integrity.checks.unseen import unseen
from integrity.rules.unfit import Unfit
from opsconsole.engines.inquiry import AskFailed


def failed(check: str, title: str, category: str, severity: Severity, error: AskFailed | Unfit) -> Found:
    """Why a check, a rule or a question got no answer, and what would help."""
    return unseen(check, title, category, severity, error.why, _step(error))


def _step(error: AskFailed | Unfit) -> str:
    if isinstance(error, Unfit):
        return error.next_step
    if error.timeout:
        return "Give the check more time (seconds=), or look for locks and missing indexes."
    if error.locked:
        return "See who holds the table, end it or let it finish, then check again."
    return "Read the database's message; change the rule or give the console's role the right to read."
