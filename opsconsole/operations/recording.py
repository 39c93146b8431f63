"""What the history tells of an operation when it is asked for: enough to ask again who had to agree to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opsconsole import approvals, audit, change_runs, changes, kinds
from opsconsole.audit.operation_rows import sealed_facts
from opsconsole.audit.told import as_told
from opsconsole.models import Operation, Vote
from opsconsole.plans import Plan


@dataclass(frozen=True, kw_only=True)
class Carried:
    """That the standing approval of a schedule carries a run of it, by which votes, and at which time it was due."""

    standing: approvals.Standing
    votes: tuple[Vote, ...]
    slot: datetime

    @property
    def change(self) -> Operation:
        return self.standing.change

    def as_told(self) -> dict[str, Any]:
        """What the history tells when the run is queued."""
        row = self.standing.schedule
        return {
            "standing": self.change.pk, "schedule": row.name, "version": row.version,
            "votes": [vote.pk for vote in self.votes], "people": [vote.person_id for vote in self.votes],
            "given": as_told(row.created_at), "until": as_told(self.standing.until),
        }  # fmt: skip


def record_plan(operation: Operation, plan: Plan, requirement: approvals.Requirement, carried: Carried | None) -> None:
    """The first event of an operation."""
    audit.record(
        "op.planned",
        operation=operation,
        reason=operation.reason,
        data={
            "digest": operation.digest,
            "summary": plan.summary,
            "policies": list(requirement.policies),
            **sealed_facts(operation),
            **_replayable(operation, plan, requirement),
            **(approvals.told_of(carried.standing, plan, as_told(carried.slot)) if carried else {}),
        },
    )


def _replayable(operation: Operation, plan: Plan, requirement: approvals.Requirement) -> dict[str, Any]:
    """What `audit verify --approvals` needs to ask again who had to agree; see verify_audit.Approvals."""
    told: dict[str, Any] = {
        "requirement": requirement.as_told(),
        "askers": sorted(approvals.askers(operation)),
        "targets": [{"database": t.database_id, "identity": t.identity, "role": t.role} for t in plan.targets],
    }
    if plan.kind == change_runs.KIND:
        change = changes.get_change(str(plan.parameters["action"]))
        return told | {
            "action": change.name,
            "free_at_first": change.free_at_first,
            "touches": list(plan.evidence["databases"]),
        }
    kind = kinds.get(plan.kind)
    places = [place.as_told() for place in approvals.places_of(plan.targets)]
    return told | {
        "places": places, "mutates": kind.mutates, "repeatable": kind.repeatable, "kind_gated": kind.gated,
        "kind_like": kind.like,
    }  # fmt: skip
