"""What a standby of PostgreSQL cannot tell: its counters are its own, and its sequences run ahead."""

from __future__ import annotations

from integrity.checks.base import Found, Moment
from integrity.checks.telling import Telling

AHEAD = "a standby sees a sequence up to 32 numbers ahead of where it stands"  # of a sequence that seems sound


def is_standby(moment: Moment) -> bool:
    """Whether the server follows another one."""
    return moment.vendor == "postgresql" and bool(moment.inquiry.ask("SELECT pg_is_in_recovery()")[0][0])


def uncounted(check: Telling, what: str) -> Found:
    """That the primary's counters are not to be seen here."""
    return check.unseen(what, "this is a standby, which counts only what it does itself", "Check the primary.")
