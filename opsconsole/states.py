"""States of an operation, groups of states and the edges between them, as data.

The picture in docs/architecture.md, the database triggers and every label are checked against this module by a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    PLANNED = "planned"  # the plan is sealed; nobody has asked for it yet
    PENDING_APPROVAL = "pending_approval"  # waits for people
    QUEUED = "queued"  # may run; waits for a worker and for its target
    RUNNING = "running"  # a worker holds it under a lease
    CANCELLING = "cancelling"  # somebody asked the worker to stop
    RECOVERING = "recovering"  # its worker was lost; another reads the witness
    INDETERMINATE = "indeterminate"  # the witness could not be read; a human decides, the target stays locked
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    STALE = "stale"


S = State

TERMINAL = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED, S.REJECTED, S.EXPIRED, S.STALE})
ACTIVE = frozenset({S.RUNNING, S.CANCELLING, S.RECOVERING, S.INDETERMINATE})  # these hold their targets
HELD_BY_WORKER = frozenset({S.RUNNING, S.CANCELLING})  # these carry a live lease
OPEN = frozenset(State) - TERMINAL

EDGES: dict[State, frozenset[State]] = {
    S.PLANNED: frozenset({S.PENDING_APPROVAL, S.QUEUED, S.CANCELLED, S.EXPIRED, S.STALE}),
    S.PENDING_APPROVAL: frozenset({S.QUEUED, S.REJECTED, S.EXPIRED, S.STALE, S.CANCELLED}),
    S.QUEUED: frozenset({S.RUNNING, S.EXPIRED, S.STALE, S.CANCELLED}),
    # running -> queued: another console holds the lock inside the target, or the worker shuts down; nothing was done
    S.RUNNING: frozenset({S.QUEUED, S.SUCCEEDED, S.FAILED, S.STALE, S.EXPIRED, S.CANCELLING, S.RECOVERING}),
    S.CANCELLING: frozenset({S.CANCELLED, S.SUCCEEDED, S.FAILED, S.STALE, S.EXPIRED, S.RECOVERING}),
    S.RECOVERING: frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED, S.INDETERMINATE, S.QUEUED}),
    S.INDETERMINATE: frozenset({S.SUCCEEDED, S.FAILED}),
} | {terminal: frozenset() for terminal in TERMINAL}


@dataclass(frozen=True)
class Face:
    """How a state looks everywhere: one word, one colour, one icon (colour is never the only sign)."""

    word: str
    colour: str  # amber, blue, green, red, grey or violet; console.css defines them
    icon: str  # a Material Symbols name


FACES: dict[State, Face] = {
    S.PLANNED: Face("planned", "grey", "draft"),
    S.PENDING_APPROVAL: Face("waits", "amber", "hourglass_top"),
    S.QUEUED: Face("queued", "blue", "schedule"),
    S.RUNNING: Face("running", "blue", "play_circle"),
    S.CANCELLING: Face("cancelling", "amber", "front_hand"),
    S.RECOVERING: Face("recovering", "violet", "healing"),
    S.INDETERMINATE: Face("indeterminate", "violet", "help"),
    S.SUCCEEDED: Face("succeeded", "green", "check_circle"),
    S.FAILED: Face("failed", "red", "error"),
    S.CANCELLED: Face("cancelled", "grey", "cancel"),
    S.REJECTED: Face("rejected", "red", "thumb_down"),
    S.EXPIRED: Face("expired", "grey", "timer_off"),
    S.STALE: Face("stale", "grey", "history_toggle_off"),
}
