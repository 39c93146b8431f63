"""What waits for people already: the same change does not wait twice."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from opsconsole import change_runs
from opsconsole.audit.sealing import take_turn
from opsconsole.ciphers import field_cipher
from opsconsole.exceptions import OpsError, Refused
from opsconsole.models import Operation
from opsconsole.plans import Plan
from opsconsole.states import State

LOCK = (0x6F707363, 2)  # PostgreSQL's advisory lock of whoever asks for a change


class AlreadyWaits(Refused):
    """The same change waits for people already, as `operation`."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(
            "already_waits",
            f"Operation {operation.pk} asks for exactly this already, and waits for another person.",
            f"Have operation {operation.pk} confirmed, or cancel it before you ask again.",
        )
        self.operation = operation


def refuse_second(plan: Plan, at: datetime) -> None:
    """Raise AlreadyWaits for a change that does the same to the same as one that waits, and stands on the same facts.

    Within a transaction: of two that ask at once, the second looks after the first has committed. One that waits and
    whose facts have moved would end stale, and stands in nobody's way; neither does one whose time is over.
    """
    take_turn(LOCK, wait=True)
    waiting = Operation.objects.filter(kind=change_runs.KIND, state=State.PENDING_APPROVAL, expires_at__gt=at)
    wanted = _content(Plan.from_bytes(plan.to_bytes()))  # lists for tuples, as in rows
    for row in waiting.order_by("pk").iterator(chunk_size=50):
        if _content(row.plan) == wanted:
            raise AlreadyWaits(row)


def _content(plan: Plan) -> tuple[object, ...]:
    return plan.summary, _opened(plan.parameters), plan.preconditions


def _opened(value: Any) -> Any:
    """Parameters with their secrets opened: the same one sealed twice does not look the same."""
    if not isinstance(value, Mapping):
        return value
    return {name: _unsealed(each) if name.endswith("_sealed") else _opened(each) for name, each in value.items()}


def _unsealed(sealed: str) -> str:
    try:
        return field_cipher().open(sealed) if sealed else ""
    except OpsError:  # under a key that is gone: like nothing else
        return sealed
