"""The change requests of retention: rules, legal holds, and what goes or comes back by somebody's word."""

from lifecycle.retention.changes.going import AcceptOutcome, LetGo, PutBack, Resume
from lifecycle.retention.changes.holds import LiftHold, SetHold
from lifecycle.retention.changes.rules import RemoveRule, SetRule

CHANGES = (SetRule(), RemoveRule(), SetHold(), LiftHold(), LetGo(), Resume(), PutBack(), AcceptOutcome())

__all__ = ["CHANGES", "AcceptOutcome", "LetGo", "LiftHold", "PutBack", "RemoveRule", "Resume", "SetHold", "SetRule"]
