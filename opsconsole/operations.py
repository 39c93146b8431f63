"""What people do with operations: request, approve, reject, withdraw, cancel, retry. Pages and commands call these.

Each verb checks, acts and records in one transaction. Reading a target (making a plan) happens before the
transaction; telling the workers happens after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from opsconsole import approvals, audit, change_runs, kinds
from opsconsole.clock import now
from opsconsole.dispatch import publish_on_commit
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Database, Operation, OperationTarget, Token, Vote
from opsconsole.permissions import can, visible_databases
from opsconsole.plans import Plan
from opsconsole.states import HELD_BY_WORKER, TERMINAL, State
from opsconsole.transitions import Overtaken, move


def draft(kind_name: str, database: Database, parameters: Mapping[str, str], *, account: Account) -> Plan:
    """What the operation would do: reads the target, writes nothing. Raises Refused, Usage or TargetProblem."""
    kind = kinds.get(kind_name)
    _may_request(account, database)
    if database.engine not in kind.engines:
        raise Refused(
            "wrong_engine",
            f"{kind.label} does not work on {database.engine}.",
            f"It works on: {', '.join(sorted(kind.engines))}.",
        )
    request = kinds.Request(database=database, parameters=clean(kind, parameters), requester=account.username)
    plan = kind.plan(request)
    for target in plan.targets:
        if target.database_id != database.id:
            _may_request(account, Database.objects.get(pk=target.database_id))
    return plan


def clean(kind: kinds.Kind, given: Mapping[str, str]) -> dict[str, str]:
    """Parameters by name, with defaults. Raises Usage for an unknown name, a missing or an impossible value."""
    known = {parameter.name: parameter for parameter in kind.parameters}
    if unknown := sorted(set(given) - set(known)):
        listed = ", ".join(sorted(known)) or "none"
        raise Usage("unknown_parameter", f"{kind.label} has no setting called {unknown[0]}.", f"It has: {listed}.")
    values = {}
    for name, parameter in known.items():
        value = str(given.get(name) or parameter.default)
        choices = [choice for choice, _ in parameter.choices]
        if value and choices and value not in choices:
            raise Usage("bad_value", f"{value!r} is no value of {name}.", f"Use one of: {', '.join(choices)}.")
        if parameter.required and not value:
            raise Usage("missing_value", f"{kind.label} needs a value for {name}.", parameter.help)
        values[name] = value
    return values


def request(
    kind_name: str,
    database: Database,
    parameters: Mapping[str, str],
    *,
    account: Account,
    token: Token | None = None,
    reason: str = "",
    confirm: str = "",
    retry_of: Operation | None = None,
) -> Operation:
    """Plan, seal and submit an operation; it is queued at once or waits for people.

    `confirm` is the database's name, typed by the requester where no second person is asked for.
    """
    kind = kinds.get(kind_name)
    plan = draft(kind_name, database, parameters, account=account)
    requirement = approvals.requirement_for(kind, plan.targets, at=now())
    confirmed = kind.mutates and not requirement.gated
    if confirmed and confirm != database.name:
        raise Refused(
            "confirmation_needed",
            f"{kind.label} changes {database.name} and nobody else is asked, so its name must be typed.",
            f"Type {database.name} to confirm (on the command line: --confirm {database.name}).",
        )
    return _submit(
        plan,
        requirement,
        account=account,
        database=database,
        token=token,
        reason=reason,
        self_confirmed=confirmed,
        retry_of=retry_of,
        queue=database.queue,
    )


def request_change(
    action: str, parameters: Mapping[str, Any], *, account: Account | None, reason: str = ""
) -> Operation:
    """Ask for a change of the console itself (people, policies, databases); it is done when another person agrees.

    `account` is None for somebody at a shell, who is nobody in particular: then any confirmer is another person.
    While the console is being set up, it is done at once and recorded as bootstrap.
    """
    plan = change_runs.plan_change(action, parameters, account)
    requirement = change_runs.requirement_for_change(plan, at=now())
    return _submit(plan, requirement, account=account, reason=reason)


@transaction.atomic
def _submit(
    plan: Plan,
    requirement: approvals.Requirement,
    *,
    account: Account | None,
    database: Database | None = None,
    token: Token | None = None,
    reason: str = "",
    self_confirmed: bool = False,
    retry_of: Operation | None = None,
    queue: str = "default",
) -> Operation:
    at = now()
    sealed = plan.sealed(policy_digest=requirement.policy_digest)
    person = _accountable(account)
    operation = Operation.objects.create(
        kind=plan.kind,
        state=State.PLANNED,
        database=database,
        requester=account,
        requester_person=person,
        token=token,
        reason=reason,
        retry_of=retry_of,
        plan_text=sealed.to_bytes().decode(),
        digest=sealed.digest,
        plan_format=sealed.format,
        gated=requirement.gated,
        votes_needed=requirement.votes_needed,
        requirement=requirement.as_json(),
        self_confirmed=self_confirmed,
        queue=queue,
        created_at=at,
        submitted_at=at,
        expires_at=at + timedelta(minutes=requirement.valid_minutes) if requirement.gated or self_confirmed else None,
    )
    for target in sealed.targets:
        OperationTarget.objects.create(
            operation=operation, database_id=target.database_id, identity=target.identity, role=target.role
        )
    audit.record(
        "op.planned",
        operation=operation,
        reason=reason,
        data={
            "digest": operation.digest,
            "gated": requirement.gated,
            "votes_needed": requirement.votes_needed,
            "self_confirmed": self_confirmed,
            "summary": sealed.summary,
            "policies": list(requirement.policies),
        },
    )
    if requirement.gated:
        return move(operation, State.PENDING_APPROVAL)
    return _queue(operation, event="op.self_confirmed" if self_confirmed else "op.queued")


def approve(
    operation: Operation,
    *,
    account: Account,
    digest: str,
    reason: str = "",
    auth_at: datetime | None,
    ip: str | None = None,
) -> Operation:
    """Vote for exactly the plan with that digest; the last vote needed queues it. Raises Refused with the reason."""
    return _vote(operation, Vote.Decision.APPROVE, account, digest, reason, auth_at, ip)


def reject(
    operation: Operation,
    *,
    account: Account,
    digest: str,
    reason: str = "",
    auth_at: datetime | None,
    ip: str | None = None,
) -> Operation:
    """Veto the plan: it ends here, whatever others said."""
    return _vote(operation, Vote.Decision.VETO, account, digest, reason, auth_at, ip)


def withdraw(operation: Operation, *, account: Account, reason: str = "") -> Operation:
    """Take one's own approval back; possible until the operation is armed."""
    with transaction.atomic():
        row = _locked(operation)
        if row.state not in (State.PENDING_APPROVAL, State.QUEUED) or hasattr(row, "grant"):
            raise Overtaken(row)
        mine = row.votes.filter(person_id=account.person_id).last()
        if mine is None or mine.decision != Vote.Decision.APPROVE:
            raise Refused(
                "no_vote", "You have no approval here that could be withdrawn.", "Open the operation to see who voted."
            )
        _record_vote(row, Vote.Decision.WITHDRAW, account, reason, mine.auth_at, mine.ip)
        if row.state == State.QUEUED and not approvals.tally(row, at=now()).satisfied:
            return move(row, State.CANCELLED, reason=f"{account.person.name} withdrew the approval before it ran.")
        return row


def cancel(operation: Operation, *, account: Account, reason: str = "") -> Operation:
    """Stop an operation: at once when it does not run yet, at its next safe place when it does."""
    with transaction.atomic():
        row = _locked(operation)
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


def retry(operation: Operation, *, account: Account, confirm: str = "", token: Token | None = None) -> Operation:
    """Ask for the same again, freshly planned; the new row points back to the old one, which stays as it ended."""
    if operation.state not in TERMINAL or operation.database is None:
        raise Refused(
            "not_ended", "Only an operation that has ended can be asked for again.", "Wait until it has ended."
        )
    given = {name: str(value) for name, value in operation.plan.parameters.items()}
    known = {parameter.name for parameter in kinds.get(operation.kind).parameters}
    return request(
        operation.kind,
        operation.database,
        {name: value for name, value in given.items() if name in known},
        account=account,
        token=token,
        reason=operation.reason,
        confirm=confirm,
        retry_of=operation,
    )


def settle(operation: Operation, *, account: Account, outcome: str, reason: str) -> Operation:
    """Decide how an indeterminate operation ended. On a protected database a second person confirms it."""
    if operation.state != State.INDETERMINATE:
        raise Overtaken(operation)
    if outcome not in (State.SUCCEEDED, State.FAILED) or len(reason.strip()) < 10:
        raise Usage(
            "bad_value",
            "Say whether it succeeded or failed, and what you looked at to know (10 characters or more).",
            "Look into the database first: the operation's page says what to look for.",
        )
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


def _vote(
    operation: Operation,
    decision: str,
    account: Account,
    digest: str,
    reason: str,
    auth_at: datetime | None,
    ip: str | None,
) -> Operation:
    if _expire_if_late(operation):
        raise Refused(
            "expired",
            "The time to decide is over, so this request has expired.",
            "Ask for it again; it will be planned afresh.",
        )
    with transaction.atomic():
        row = _locked(operation)
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
        _fresh(auth_at)
        _record_vote(row, decision, account, reason, auth_at, ip)
        tally = approvals.tally(row, at=now())
        if tally.vetoed:
            return move(row, State.REJECTED, reason=reason or f"{account.person.name} rejected it.")
        if not tally.satisfied:
            return row
        return _queue(row, event="op.approved")


def _record_vote(
    row: Operation, decision: str, account: Account, reason: str, auth_at: datetime | None, ip: str | None
) -> None:
    at = now()
    Vote.objects.create(
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
        data={"decision": decision, "digest": row.digest, "person": account.person_id},
    )


def _queue(operation: Operation, *, event: str) -> Operation:
    """Queue for a worker, or, for a change of the console itself, do it within this transaction."""
    row = move(operation, State.QUEUED, event=event, run_after=now())
    if row.kind == change_runs.KIND:
        return change_runs.execute(row)
    publish_on_commit(row)
    return row


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


def _locked(operation: Operation) -> Operation:
    return Operation.objects.select_for_update(of=("self",)).get(pk=operation.pk)


def _accountable(account: Account | None) -> Any:
    """The person who counts as the requester: a service's owner, else the account's own; nobody's at a shell."""
    if account is None:
        return None
    return account.person.owner if account.person.is_service else account.person


def _may_request(account: Account, database: Database) -> None:
    if not visible_databases(account).filter(pk=database.pk).exists():
        raise Usage(
            "unknown_database",
            f"There is no database called {database.name} that you can see.",
            "Ask an administrator for a role in its owner group.",
        )
    if not can(account, "request", database):
        raise Refused(
            "not_allowed",
            f"Your role does not let you ask for operations on {database.name}.",
            f"Ask an engineer of {database.owner_group}, or an administrator for that role.",
        )
