"""What D1 does differently from SQLite: its statement rules, and the transaction that is always around a file."""

from __future__ import annotations

import re
from dataclasses import replace

from lifecycle.sources.acts import Unit
from lifecycle.sources.d1 import forbidden

COMMENTS = re.compile(r"\A(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)+", re.DOTALL)


def refusal(statement: str) -> str:
    """Why D1 would not run a statement that SQLite runs; "" when it does."""
    why = forbidden(re.findall(r"\w+", COMMENTS.sub("", statement)[:200].upper()))
    return f"D1 does not run {why}." if why else ""


def as_batch(unit: Unit) -> Unit:
    """The unit as D1 does it: each phase is one batch, all or nothing."""
    return replace(unit, phases=tuple(replace(phase, transaction=True) for phase in unit.phases))
