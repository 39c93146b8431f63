"""Operations of the kind `change`: changes of the console itself, done in one console transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from opsconsole import approvals, audit, bootstrap, changes, wording
from opsconsole.clock import now
from opsconsole.exceptions import OpsError, Refused, Stale
from opsconsole.fences import next_fence
from opsconsole.models import Account, ExecutionGrant, Operation
from opsconsole.plans import Plan
from opsconsole.states import State
from opsconsole.transitions import move

KIND = "change"


def plan_change(action: str, parameters: Mapping[str, Any], account: Account | None) -> Plan:
    """The plan of a change. Raises Usage for an unknown action or a bad value, Refused when it may not be asked for."""
    change = changes.get_change(action)
    wording.refuse_reordering(parameters)
    return change.plan(parameters, account)


def requirement_for_change(plan: Plan, *, at: datetime) -> approvals.Requirement:
    """Nobody else while the console is being set up; afterwards at least one other person."""
    requirement = approvals.requirement_for_change(plan, at=at)
    free = bootstrap.is_open() and changes.get_change(str(plan.parameters["action"])).free_at_first
    return requirement.waived() if free else requirement


def execute(operation: Operation) -> Operation:
    """Arm and do a queued change; called inside the transaction of the last vote (or of the request, in bootstrap).

    The row is `running` only within this transaction, and only then do the triggers let guarded rows change. When the
    change cannot be done, its own writes are rolled back and the operation fails with the reason.
    """
    change = changes.get_change(str(operation.plan.parameters["action"]))
    tally = approvals.tally(operation, at=now())
    if operation.gated and not tally.satisfied:
        raise Refused("votes_missing", "The votes that this change needs are not there.", "Have it approved first.")
    fence = next_fence()
    row = move(operation, State.RUNNING, started_at=now(), fence=fence)
    ExecutionGrant.objects.create(
        operation=row,
        digest=row.digest,
        fence=fence,
        at=now(),
        inputs={"votes": list(row.votes.values_list("id", flat=True))},
    )
    told = {
        "digest": row.digest, "fence": fence, "bootstrap": bootstrap.is_open(),
        "votes": [vote.id for vote in tally.votes], "people": [vote.person_id for vote in tally.votes],
        "requirement": tally.requirement.as_told(),
    }  # fmt: skip
    audit.record("op.armed", operation=row, data=told)
    try:
        with transaction.atomic():
            result = change.apply(row, row.plan.parameters)
    except OpsError as error:
        return move(
            row,
            State.STALE if isinstance(error, Stale) else State.FAILED,
            reason=error.why,
            failure_code=error.code,
            failure_why=error.why,
            failure_next=error.next_step,
        )
    return move(row, State.SUCCEEDED, result={"summary": row.plan.summary, **result})
