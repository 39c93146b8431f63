"""Asking: draft a plan, seal it, submit it, ask for the same again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from opsconsole import approvals, change_runs, changes, kinds, tokens, wording
from opsconsole.ciphers import field_cipher
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Database, Operation, OperationSecret, OperationTarget, Person, Token
from opsconsole.operations.recording import Carried, record_plan
from opsconsole.operations.rows import queue as enqueue
from opsconsole.operations.waiting import refuse_second
from opsconsole.parameters import clean
from opsconsole.permissions import can, visible_databases
from opsconsole.plans import Plan
from opsconsole.states import TERMINAL, State
from opsconsole.transitions import move


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A plan that was made and may be submitted: who asks for it (None: a schedule), and what people must agree to."""

    plan: Plan
    requirement: approvals.Requirement
    database: Database
    account: Account | None
    self_confirmed: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def draft(
    kind_name: str,
    database: Database,
    parameters: Mapping[str, str],
    *,
    account: Account | None,
    secrets: Mapping[str, str] | None = None,
) -> Plan:
    """What the operation would do: reads the target, writes nothing. Raises Refused, Usage or TargetProblem.

    `account` is None for a schedule that another person confirmed: then nobody's rights are asked, and nothing beyond
    the database's owner group is seen.
    """
    kind = kinds.get(kind_name)
    wording.refuse_reordering(parameters)
    _may_request(account, database)
    if database.engine not in kind.engines:
        raise Refused(
            "wrong_engine",
            f"{kind.label} does not work on {database.engine}.",
            f"It works on: {', '.join(sorted(kind.engines))}.",
        )
    plan = kind.plan(
        kinds.Request(
            database=database,
            parameters=clean(kind, parameters),
            secrets=_secrets_of(kind, secrets or {}),
            requester=account.username if account else "a schedule",
            visible=visible_databases(account) if account else _neighbours(database),
        )
    )
    for target in plan.targets:
        if target.database_id != database.id:
            other = Database.objects.get(pk=target.database_id)
            _may_request(account, other)
            _refuse_elsewhere(account, database, other)
    return plan


def _neighbours(database: Database) -> QuerySet[Database]:
    """The managed databases of the same owner group."""
    return Database.objects.filter(removed_at=None, owner_group=database.owner_group_id)


def _refuse_elsewhere(account: Account | None, database: Database, other: Database) -> None:
    """What nobody in particular asks for stays within one owner group: no rights were asked for another one's."""
    if account is None and other.owner_group_id != database.owner_group_id:
        raise Refused(
            "not_allowed",
            f"Nobody in particular asks for this, and {other.name} is of another owner group than {database.name}.",
            f"Have an engineer of {other.owner_group} ask for it.",
        )


def _secrets_of(kind: kinds.Kind, given: Mapping[str, str]) -> dict[str, str]:
    """Secret parameters that were handed over. Raises Usage for one that the kind does not know."""
    known = {parameter.name for parameter in kind.parameters if parameter.secret}
    if unknown := sorted(set(given) - known):
        raise Usage("unknown_parameter", f"{kind.label} takes no secret called {unknown[0]}.", "Leave it out.")
    return {name: value for name, value in given.items() if value}


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
    secrets: Mapping[str, str] | None = None,
) -> Operation:
    """Plan, seal and submit an operation; it is queued at once or waits for people.

    `confirm` is the database's name, typed by the requester where no second person is asked for. `secrets` are kept
    encrypted for this operation and removed when it ends.
    """
    prepared = prepare(kind_name, database, parameters, account=account, confirm=confirm, secrets=secrets)
    return submit(prepared, token=token, reason=reason, retry_of=retry_of)


def prepare(
    kind_name: str,
    database: Database,
    parameters: Mapping[str, str],
    *,
    account: Account | None,
    confirm: str = "",
    secrets: Mapping[str, str] | None = None,
) -> Prepared:
    """The first half of a request: everything that reads the target. Raises Refused, Usage or TargetProblem."""
    kind = kinds.get(kind_name)
    plan = draft(kind_name, database, parameters, account=account, secrets=secrets)
    requirement = approvals.requirement_for(kind, plan.targets, at=now())
    for problem in kind.evidence_problems(plan, requirement.demand)[:1]:
        raise Refused(*problem)
    if kind.mutates and account is None:
        raise Refused(
            "nobody_asks",
            f"{kind.label} changes {database.name}, and nobody in particular asks for it.",
            "Have an engineer set the schedule anew, in the browser or with OPSCONSOLE_TOKEN.",
        )
    confirmed = kind.mutates and not requirement.gated
    if confirmed and confirm != database.name:
        raise Refused(
            "confirmation_needed",
            f"{kind.label} changes {database.name} and nobody else is asked, so its name must be typed.",
            f"Type {database.name} to confirm (on the command line: --confirm {database.name}).",
        )
    return Prepared(
        plan=plan, requirement=requirement, database=database, account=account, self_confirmed=confirmed,
        secrets=_secrets_of(kind, secrets or {}),
    )  # fmt: skip


def submit(
    prepared: Prepared,
    *,
    token: Token | None = None,
    reason: str = "",
    retry_of: Operation | None = None,
    carried: Carried | None = None,
) -> Operation:
    """The second half: seal the plan and insert the operation. Writes the console's own database, reads no target.

    With `carried`, nobody is waited for; before its first write the run asks again whether that still holds.
    Raises Refused for a token that is not for this.
    """
    if token is not None and not tokens.allows(token, "request", prepared.database):
        raise Refused("token_scope", f"The token {token} is not for asking for this.", "Use another token.")
    return _submit(
        prepared.plan,
        prepared.requirement,
        account=prepared.account,
        database=prepared.database,
        token=token,
        reason=reason,
        self_confirmed=prepared.self_confirmed,
        retry_of=retry_of,
        queue=prepared.database.queue,
        secrets=prepared.secrets,
        carried=carried,
    )


def request_change(
    action: str, parameters: Mapping[str, Any], *, account: Account | None, reason: str = ""
) -> Operation:
    """Ask for a change of the console itself (people, policies, databases); it is done when another person agrees.

    `account` is None for somebody at a shell, who is nobody in particular and might be whoever confirms it: then one
    person more must agree. Raises Refused where there are not so many, AlreadyWaits when the same waits already, and
    Usage without a reason for whoever confirms it.
    While the console is being set up, it is done at once and recorded as bootstrap; that needs no reason.
    """
    plan = change_runs.plan_change(action, parameters, account)
    requirement = change_runs.requirement_for_change(plan, at=now())
    if not requirement.gated:
        return _submit(plan, requirement, account=account, reason=reason)
    reason = wording.reason(reason, f"{changes.get_change(action).label}: what another person has to confirm")
    if "asked_by" in plan.evidence:
        _enough_people(requirement)
    with transaction.atomic():
        refuse_second(plan, now())
        return _submit(plan, requirement, account=account, reason=reason)


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
    secrets: Mapping[str, str] | None = None,
    carried: Carried | None = None,
) -> Operation:
    at = now()
    wording.refuse_reordering(reason, "The reason")
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
        standing=carried.change if carried else None,
        queue=queue,
        created_at=at,
        submitted_at=at,
        expires_at=at + timedelta(minutes=requirement.valid_minutes) if requirement.gated or self_confirmed else None,
    )
    for name, value in (secrets or {}).items():
        OperationSecret.objects.create(operation=operation, name=name, value_sealed=field_cipher().seal(value))
    _name_targets(operation, sealed)
    record_plan(operation, sealed, requirement, carried)
    if carried:
        return enqueue(operation, event="op.approved_once", data=carried.as_told())
    if requirement.gated:
        return move(operation, State.PENDING_APPROVAL)
    return enqueue(operation, event="op.self_confirmed" if self_confirmed else "op.queued")


def _name_targets(operation: Operation, plan: Plan) -> None:
    for target in plan.targets:
        OperationTarget.objects.create(
            operation=operation, database_id=target.database_id, identity=target.identity, role=target.role
        )


def _accountable(account: Account | None) -> Person | None:
    """The person who counts as the requester: a service's owner, else the account's own; nobody's at a shell."""
    if account is None:
        return None
    return account.person.owner if account.person.is_service else account.person


def _enough_people(requirement: approvals.Requirement) -> None:
    """Raises Refused when fewer people could agree than must, for something that nobody in particular asks for."""
    able = len(approvals.who_may(Operation(kind=approvals.CHANGE), requirement, at=now()))
    if able < requirement.votes_needed:
        raise Refused(
            "too_few_people",
            f"On a shell nobody is known, so {requirement.votes_needed} people must agree, and there "
            f"{'is' if able == 1 else 'are'} {able or 'none'} who could.",
            "Ask in the browser, or with OPSCONSOLE_TOKEN set to your token: then one person fewer is needed.",
        )


def _may_request(account: Account | None, database: Database) -> None:
    if account is None:
        return
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
