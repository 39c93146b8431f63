"""Deciding: approve, reject, take an approval back. Every vote is bound to one digest."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from opsconsole import approvals, audit, wording
from opsconsole.audit.reconciliation import VOTE_FIELDS
from opsconsole.audit.told import as_told
from opsconsole.clock import now
from opsconsole.exceptions import Refused
from opsconsole.models import Account, Operation, Schedule, Vote
from opsconsole.operations.confirming import Typed, require_typed
from opsconsole.operations.rows import locked, queue
from opsconsole.states import State
from opsconsole.transitions import Overtaken, move

NOTHING = Typed()
WITHDRAWABLE = (State.PENDING_APPROVAL, State.QUEUED, State.RUNNING)  # running: until it is armed


def approve(
    operation: Operation,
    *,
    account: Account,
    digest: str,
    reason: str = "",
    auth_at: datetime | None,
    ip: str | None = None,
    typed: Typed = NOTHING,
) -> Operation:
    """Vote for exactly the plan with that digest; the last vote needed queues it. Raises Refused with the reason.

    `typed` is the database's name and the number that a plan with a `confirmation` asks for.
    """
    return _vote(operation, Vote.Decision.APPROVE, account, digest, reason, auth_at, ip, typed)


def reject(
    operation: Operation,
    *,
    account: Account,
    digest: str,
    reason: str,
    auth_at: datetime | None,
    ip: str | None = None,
) -> Operation:
    """Veto the plan: it ends here, whatever others said. Raises Usage without a reason, which the requester reads."""
    reason = wording.reason(reason, "Rejecting it")
    return _vote(operation, Vote.Decision.VETO, account, digest, reason, auth_at, ip)


def withdraw(operation: Operation, *, account: Account, reason: str = "") -> Operation:
    """Take one's own approval back; possible until the operation is armed.

    An approval that stands for the runs of a schedule can be taken back later too: they then wait for people again.
    """
    with transaction.atomic():
        row = locked(operation)
        stands = stands_for_runs(row)
        if not stands and (row.state not in WITHDRAWABLE or hasattr(row, "grant")):
            raise Overtaken(row)
        mine = row.votes.filter(person_id=account.person_id).last()
        if mine is None or mine.decision != Vote.Decision.APPROVE:
            raise Refused(
                "no_vote", "You have no approval here that could be withdrawn.", "Open the operation to see who voted."
            )
        _record_vote(row, Vote.Decision.WITHDRAW, account, reason, mine.auth_at, mine.ip)
        if stands or row.state == State.PENDING_APPROVAL or approvals.tally(row, at=now()).satisfied:
            return row
        if row.state == State.QUEUED:
            return move(row, State.CANCELLED, reason=f"{account.person.name} withdrew the approval before it ran.")
        why = f"{account.person.name} withdrew the approval before anything was changed."
        return move(
            row,
            State.CANCELLING,
            frm=[State.RUNNING],
            reason=why,
            cancel_requested_at=now(),
            cancel_requested_by=account,
        )


def stands_for_runs(operation: Operation) -> bool:
    """Whether the votes on it carry the runs of a schedule until something ends that."""
    row = Schedule.objects.filter(changed_by=operation).select_related("changed_by").first()
    standing = approvals.standing_of(row, at=now()) if row and operation.state == State.SUCCEEDED else None
    return standing is not None and not standing.ended


def _vote(
    operation: Operation,
    decision: str,
    account: Account,
    digest: str,
    reason: str,
    auth_at: datetime | None,
    ip: str | None,
    typed: Typed = NOTHING,
) -> Operation:
    if _expire_if_late(operation):
        raise Refused(
            "expired",
            "The time to decide is over, so this request has expired.",
            "Ask for it again; it will be planned afresh.",
        )
    with transaction.atomic():
        row = locked(operation)
        if row.state != State.PENDING_APPROVAL:
            raise Overtaken(row)
        if digest != row.digest:
            raise Refused(
                "digest_mismatch",
                "The plan you looked at is not the plan that is waiting.",
                "Open the operation again and read it afresh.",
            )
        if refusals := approvals.may_vote(account, row):
            raise refusals[0]
        if decision == Vote.Decision.APPROVE:
            require_typed(row.plan, typed)
        _fresh(auth_at)
        _record_vote(row, decision, account, reason, auth_at, ip)
        tally = approvals.tally(row, at=now())
        if tally.vetoed:
            return move(row, State.REJECTED, reason=reason)
        if not tally.satisfied:
            return row
        return queue(row, event="op.approved")


def _record_vote(
    row: Operation, decision: str, account: Account, reason: str, auth_at: datetime | None, ip: str | None
) -> None:
    at = now()
    wording.refuse_reordering(reason, "The reason")
    vote = Vote.objects.create(
        operation=row,
        digest=row.digest,
        account=account,
        person=account.person,
        decision=decision,
        reason=reason,
        auth_at=auth_at or at,
        credential=approvals.credential_of(account),
        ip=ip,
        policy_digest=row.plan.policy_digest,
        at=at,
    )
    audit.record(
        "op.voted",
        operation=row,
        reason=reason,
        data={name: as_told(getattr(vote, column)) for column, name in VOTE_FIELDS} | _told_typed(row, decision),
    )


def _told_typed(row: Operation, decision: str) -> dict[str, object]:
    """That the name and the number were typed, for an approval that asked for it."""
    asked = row.plan.confirmation if decision == Vote.Decision.APPROVE else None
    return {"typed": {"database": row.plan.target().database, "number": asked.number}} if asked else {}


def _expire_if_late(operation: Operation) -> bool:
    row = Operation.objects.get(pk=operation.pk)
    late = row.state == State.PENDING_APPROVAL and row.expires_at is not None and row.expires_at <= now()
    if late:
        move(row, State.EXPIRED, frm=[State.PENDING_APPROVAL], reason="Nobody decided in time.")
    return late


def _fresh(auth_at: datetime | None) -> None:
    limit = timedelta(minutes=settings.REAUTH_MINUTES)
    if auth_at is None or now() - auth_at > limit:
        raise Refused(
            "reauth_needed",
            "Your password must have been asked for within the last few minutes.",
            "Enter your password again, then decide.",
        )
