"""The last check before the first write: preconditions in the target, then fence, votes, people and policies here."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from opsconsole import approvals, audit, databases, kinds
from opsconsole.clock import now
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Cancelled, FenceLost, Moved, Refused, Stale, TargetProblem
from opsconsole.models import Database, ExecutionGrant, Operation
from opsconsole.permissions import can
from opsconsole.plans import Plan, Precondition, digest_of
from opsconsole.states import State


def check_preconditions(plan: Plan, engines: Mapping[str, Engine]) -> dict[str, str]:
    """Probe every precondition of a plan; gives back what was read. Raises Stale with each difference.

    Every target and its other names are asked again who they are, so that the votes are then counted against the rules
    of all of them, as they are now. One that is only shared may be out of reach: it is judged by what is known of it.
    """
    kind = kinds.get(plan.kind)
    read: dict[str, str] = {}
    moved = []
    for condition in plan.preconditions:
        value = _probe(kind, condition, engines)
        read[f"{condition.probe} of {condition.subject}"] = value
        if value != condition.value:
            moved.append(Moved(f"{condition.probe} of {condition.subject}", condition.value, value))
    if moved:
        raise Stale(moved)
    for target in plan.targets:
        try:
            identity = engines[target.role].identity()
        except TargetProblem:
            if target.role != "shared":
                raise
            continue
        databases.recognise(Database.objects.get(pk=target.database_id), identity)
    return read


def look_again(operation_id: int, plan: Plan, engines: Mapping[str, Engine]) -> None:
    """Ask the kind what it would cost by now; the strictest policy of then and now says how much more may be lost.

    Raises Stale when a precondition has moved or it is more than that, and whatever keeps the kind from looking.
    """
    if plan.confirmation is None:
        return
    check_preconditions(plan, engines)
    requirement = approvals.requirement_of(Operation.objects.get(pk=operation_id), at=now())
    if moved := kinds.get(plan.kind).moved(plan, engines, requirement.growth):
        raise Stale(moved)


def arm(operation_id: int, fence: int, read: Mapping[str, str]) -> None:
    """Grant the run, once. One short transaction of the console's own database; nothing in the target is touched.

    Raises FenceLost, Cancelled, Refused("expired" or "votes_missing") or Stale; then nothing may be written.
    """
    with transaction.atomic():
        row = Operation.objects.select_for_update(of=("self",)).get(pk=operation_id)
        if row.fence != fence or row.state not in (State.RUNNING, State.CANCELLING):
            raise FenceLost("fence_lost", f"Operation {operation_id} is no longer held under fence {fence}.")
        if row.state == State.CANCELLING:
            raise Cancelled("cancelled", "It was cancelled before anything was changed.")
        digest = digest_of(row.plan_text.encode())
        if digest != row.digest or digest != row.plan.digest:
            raise Refused(
                "digest_mismatch",
                "The stored plan is not the plan that was approved.",
                "Verify the audit history, then ask again.",
            )
        inputs = _approval(row)
        if not (kinds.get(row.kind).repeatable and hasattr(row, "grant")):  # a repeated backup uses the grant it has
            ExecutionGrant.objects.create(
                operation=row, digest=row.digest, fence=fence, at=now(), inputs={"preconditions": dict(read), **inputs}
            )
        audit.record(
            "op.armed",
            operation=row,
            data={"digest": row.digest, "fence": fence, "preconditions": dict(read), **inputs},
        )
    if kinds.get(row.kind).mutates:
        audit.checkpoint(force=True)


def _approval(row: Operation) -> dict[str, object]:
    """The votes that carry the run, checked against policies, people, roles and windows of this moment."""
    at = now()
    tally = approvals.tally(row, at=at)
    if tally.deadline is not None and tally.deadline <= at:
        raise Refused(
            "expired",
            "The approval's time was over before the first write.",
            "Ask for it again; it will be planned afresh.",
        )
    if tally.requirement.gated and not row.gated:
        raise Stale([Moved("the policies that apply", "asked for no approval", "ask for one")])
    if not tally.satisfied:
        missing = "; ".join(tally.missing) or "rejected"
        raise Stale([Moved("the approval", "complete", f"incomplete ({missing})")])
    asker = row.requester
    if asker is not None and kinds.get(row.kind).mutates and not can(asker, "request", row.database):
        left = f"{asker.person.name}, who asked for it, may not ask for it any more"
        raise Stale([Moved("who asked", "allowed to", "not", said=left)], "Have somebody ask for it who may.")
    if not tally.requirement.is_open(at):
        raise Stale([Moved("the window in which it may run", "open", "closed")])
    if problems := kinds.get(row.kind).evidence_problems(row.plan, tally.requirement.demand):
        raise Stale([Moved("the evidence", "as policies demand", code, said=why) for code, why, _ in problems])
    people = [vote.person_id for vote in tally.votes]
    places = [place.as_told() for place in approvals.places_of(row.plan.targets)]
    return {
        "votes": [vote.id for vote in tally.votes], "people": people, "self_confirmed": row.self_confirmed,
        "requirement": tally.requirement.as_told(), "places": places, "standing": row.standing_id,
    }  # fmt: skip


def _probe(kind: kinds.Kind, condition: Precondition, engines: Mapping[str, Engine]) -> str:
    engine = engines.get(condition.subject)
    if engine is not None and condition.probe == "identity":
        return engine.identity().key
    if engine is not None and condition.probe == "incarnation":
        return engine.identity().incarnation
    if engine is not None and condition.probe == "schema":
        return engine.schema_fingerprint()
    return kind.probe(condition.probe, condition.subject, engines)
