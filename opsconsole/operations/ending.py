"""Ending: cancel what waits or runs, settle what nobody can know."""

from __future__ import annotations

from django.db import transaction

from opsconsole import approvals, wording
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Operation
from opsconsole.operations.requesting import request_change
from opsconsole.operations.rows import locked
from opsconsole.permissions import can
from opsconsole.states import HELD_BY_WORKER, TERMINAL, State
from opsconsole.transitions import Overtaken, move


def cancel(operation: Operation, *, account: Account, reason: str = "") -> Operation:
    """Stop an operation: at once when it does not run yet, at its next safe place when it does."""
    wording.refuse_reordering(reason, "The reason")
    with transaction.atomic():
        row = locked(operation)
        own = row.requester_person_id == account.person_id
        if not own and not (can(account, "vote", row) or can(account, "administer", row)):
            raise Refused(
                "not_yours",
                "Only the requester, an approver or an administrator can cancel this operation.",
                f"Ask {row.requester or 'an administrator'}.",
            )
        if row.state in TERMINAL:
            raise Overtaken(row)
        if row.committed_at is not None:
            raise Refused(
                "too_late",
                "It is too late to cancel: the operation has passed its commit point.",
                "Wait for its result; what it did can be taken back from there.",
            )
        if row.state in HELD_BY_WORKER:
            return move(
                row,
                State.CANCELLING,
                frm=[State.RUNNING],
                reason=reason,
                cancel_requested_at=now(),
                cancel_requested_by=account,
            )
        return move(row, State.CANCELLED, frm=[State.PLANNED, State.PENDING_APPROVAL, State.QUEUED], reason=reason)


def settle(operation: Operation, *, account: Account, outcome: str, reason: str) -> Operation:
    """Decide how an indeterminate operation ended. On a protected database a second person confirms it."""
    if operation.state != State.INDETERMINATE:
        raise Overtaken(operation)
    if outcome not in (State.SUCCEEDED, State.FAILED):
        raise Usage(
            "bad_value",
            "Say whether it succeeded or failed.",
            "Look into the database first: the operation's page says what to look for.",
        )
    reason = wording.reason(reason, "Saying how it ended", least=10)
    if operation.gated or any(place.protected for place in approvals.places_of(operation.plan.targets)):
        given = {"operation": operation.id, "outcome": outcome, "reason": reason}
        return request_change("operation.settle", given, account=account, reason=reason)
    if operation.requester_person_id != account.person_id:
        raise Refused(
            "not_yours",
            "An indeterminate operation on an unprotected database is settled by its requester.",
            f"Ask {operation.requester}.",
        )
    return move(
        operation,
        State(outcome),
        frm=[State.INDETERMINATE],
        event="op.resolved",
        reason=reason,
        data={"settled_by": account.username, "alone": True},
    )
