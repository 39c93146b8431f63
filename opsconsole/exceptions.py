"""The one tree of errors that people read.

Every error carries a stable `code` (for scripts), `why` (one sentence: what was refused or what went wrong and by
which rule) and `next_step` (what to do about it). An expected failure is one of these; anything else is a crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class OpsError(Exception):
    """Base of every expected error."""

    def __init__(self, code: str, why: str, next_step: str = "") -> None:
        super().__init__(f"{why} {next_step}".strip())
        self.code = code
        self.why = why
        self.next_step = next_step

    def as_dict(self) -> dict[str, str]:
        """`{"refused": code, "why": ..., "next": ...}`, the shape that `--json` prints."""
        return {"refused": self.code, "why": self.why, "next": self.next_step}


class Usage(OpsError):
    """The call itself is wrong (unknown name, missing field). Exit code 2."""


class Refused(OpsError):
    """A rule forbids it, and nothing was changed. Exit code 4."""


class TargetProblem(OpsError):
    """A database cannot be reached or used.

    `code` is one of the classes of `database check`: dns, refused, timeout, tls, password, permission, version,
    pooler, missing, not_a_database, locked, conflict.
    """


class OperationFailed(OpsError):
    """A running operation ended without its effect, for a reason that was foreseen (disk_full, timeout, ...)."""


class StoppedPartway(OperationFailed):
    """A run of several steps ended between two of them, or where one left something; what stands is known.

    `data` is JSON that the row keeps as its result: what was done, and what was not.
    """

    def __init__(self, code: str, why: str, next_step: str = "", *, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, why, next_step)
        self.data = dict(data or {})


class Cancelled(OpsError):
    """The operation stopped before its commit point because somebody asked for it."""


class FenceLost(OpsError):
    """Another worker has taken over; this one must stop at once and write nothing."""


@dataclass(frozen=True)
class Moved:
    """One precondition that no longer holds: `what` it is, its value when planned and its value now.

    `said` tells it in a sentence of its own where "it was A and is B" would not read well.
    """

    what: str
    old: str
    new: str
    said: str = ""

    @property
    def sentence(self) -> str:
        return self.said or f"{self.what} was {self.old} when planned and is {self.new} now"


class Stale(OpsError):
    """The world moved since the plan was made; nothing was changed. `moved` names each difference."""

    def __init__(self, moved: list[Moved], next_step: str = "Plan again and have the new plan approved.") -> None:
        text = "; ".join(m.sentence for m in moved)
        super().__init__("stale", f"The plan no longer fits: {text}.", next_step)
        self.moved = tuple(moved)
