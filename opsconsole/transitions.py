"""The only writer of `Operation.state`: one conditional UPDATE, its targets and its audit event in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from opsconsole import audit
from opsconsole.audit import redaction
from opsconsole.clock import now
from opsconsole.exceptions import FenceLost, Refused
from opsconsole.models import Operation, OperationSecret, OperationTarget
from opsconsole.states import ACTIVE, EDGES, TERMINAL, State

EVENTS = {
    State.PENDING_APPROVAL: "op.submitted",
    State.QUEUED: "op.queued",
    State.RUNNING: "op.claimed",
    State.CANCELLING: "op.cancel_requested",
    State.RECOVERING: "op.lost",
    State.INDETERMINATE: "op.indeterminate",
    State.SUCCEEDED: "op.succeeded",
    State.FAILED: "op.failed",
    State.CANCELLED: "op.cancelled",
    State.REJECTED: "op.rejected",
    State.EXPIRED: "op.expired",
    State.STALE: "op.stale",
}


class Overtaken(Refused):
    """Somebody else moved the operation first; what is true now is in the row."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(
            "overtaken",
            f"Operation {operation.id} is {operation.face.word} now, so this no longer applies.",
            "Open the operation again and look at its timeline.",
        )


@transaction.atomic
def move(
    operation: Operation,
    to: State,
    *,
    frm: Iterable[State] | None = None,
    held: int | None = None,
    event: str = "",
    reason: str = "",
    data: dict[str, Any] | None = None,
    **fields: Any,
) -> Operation:
    """Move an operation along an edge and record the event; gives back the row as it is now.

    `frm` narrows the states it may come from; with `held`, the row must still carry that fence (else FenceLost). Raises
    Overtaken when the row is elsewhere, IntegrityError when another operation holds a target.
    """
    sources = [s for s in (frm or EDGES) if to in EDGES[s]]
    rows = Operation.objects.filter(pk=operation.pk, state__in=sources)
    if held is not None:
        rows = rows.filter(fence=held)
    reason, fields = redaction.clean(reason), {name: _cleaned(value) for name, value in fields.items()}
    before = Operation.objects.values_list("state", flat=True).get(pk=operation.pk)
    if to in TERMINAL:
        fields.setdefault("finished_at", now())
        fields.setdefault("waiting_for", "")
    if rows.update(state=to, state_reason=reason, **fields) != 1:
        operation.refresh_from_db()
        if held is not None:
            raise FenceLost("fence_lost", f"Operation {operation.id} is no longer held under fence {held}.")
        raise Overtaken(operation)
    if to in TERMINAL or to == State.INDETERMINATE:  # nothing runs after either, and people may take long to settle
        OperationSecret.objects.filter(operation=operation).delete()
    OperationTarget.objects.filter(operation=operation).exclude(active=to in ACTIVE).update(active=to in ACTIVE)
    operation.refresh_from_db()
    audit.record(
        event or EVENTS[to],
        operation=operation,
        reason=reason,
        outcome="failed" if to in (State.FAILED, State.REJECTED, State.STALE, State.EXPIRED) else "ok",
        data={"from": before, "to": str(to), "fence": operation.fence or 0, **(data or {})},
    )
    return operation


def _cleaned(value: Any) -> Any:
    """Texts for people (why it failed) may repeat what a server or a program said: no secret stays in them."""
    return redaction.clean(value) if isinstance(value, str) else value
