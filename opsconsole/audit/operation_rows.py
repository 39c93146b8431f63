"""Do operations and what belongs to them stand as the history tells? What was sealed with one stays so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import Exists, OuterRef, Subquery

from opsconsole import kinds
from opsconsole.audit import catalogue
from opsconsole.audit.told import UNTOLD, as_told, data_of, event_of
from opsconsole.models import AuditEvent, Operation, OperationTarget, ScheduleSlot
from opsconsole.plans import Plan, canonical_json, digest_of
from opsconsole.states import ACTIVE, State
from opsconsole.verify_audit import Report

CHUNK = 500
SEALED = {  # columns that never change, and the field of the first event that tells each
    "gated": "gated", "votes_needed": "votes_needed", "self_confirmed": "self_confirmed", "requester_id": "account",
    "requester_person_id": "person", "token_id": "token", "retry_of_id": "retry_of", "plan_format": "plan_format",
    "standing_id": "standing", "created_at": "asked_at", "expires_at": "expires_at",
}  # fmt: skip


def sealed_facts(operation: Operation) -> dict[str, Any]:
    """What the first event of an operation tells of its row."""
    told = {field: as_told(getattr(operation, column)) for column, field in SEALED.items()}
    return told | {"asks": asks(operation.requirement)}


def asks(requirement: Mapping[str, Any]) -> str:
    """The digest of what an operation asks of people, word for word."""
    return digest_of(canonical_json(requirement))


def compare(report: Report) -> None:
    """Add a finding for every operation, or target of one, that is not as its events tell."""
    _operations(report)
    _removed(report)
    _targets(report)
    _slots(report)


def _operations(report: Report) -> None:
    moves = [entry.name for entry in catalogue.every() if entry.moves]
    events = AuditEvent.objects.filter(operation_id=OuterRef("pk"))
    last = events.filter(type__in=moves).order_by("-id").values("payload")[:1]
    first = events.filter(type="op.planned").order_by("id").values("payload")[:1]
    rows = Operation.objects.order_by("id").annotate(last=Subquery(last), first=Subquery(first))
    named = ("id", "state", "plan_text", "digest", "kind", "database_id", "reason", "requirement", *SEALED)
    for row in rows.values(*named, "last", "first").iterator(chunk_size=CHUNK):
        report.operations += 1
        where = f"operation {row['id']}"
        if row["first"] is None or row["last"] is None:
            report.add("operation", where, "The history does not know where it comes from.")
            continue
        told = data_of(row["last"]).get("to", str(State.PLANNED))
        if told != row["state"]:
            report.add("operation", where, f"It is {row['state']}, and its last event says {told}.")
        _compare_sealed(report, where, row)


def _compare_sealed(report: Report, where: str, row: Mapping[str, Any]) -> None:
    planned, subject = data_of(row["first"]), event_of(row["first"]).get("subject") or {}
    if planned.get("digest") != row["digest"] or digest_of(row["plan_text"].encode()) != row["digest"]:
        report.add("operation", where, "Its plan has another digest than the one that it was planned with.")
    told = {column: planned.get(field, UNTOLD) for column, field in SEALED.items()}
    told |= {"kind": subject.get("kind"), "database_id": subject.get("database")}
    wrong = [column for column, value in told.items() if value not in (UNTOLD, as_told(row[column]))]
    if row["standing_id"] and not _is_told_of(planned, row["plan_text"]):
        wrong.append("plan")
    if planned.get("asks", UNTOLD) not in (UNTOLD, asks(row["requirement"])):
        wrong.append("requirement")
    if wrong:
        report.add("operation", where, f"It was planned with something else than it has now: {', '.join(wrong)}.")


def _is_told_of(planned: Mapping[str, Any], plan_text: str) -> bool:
    """Whether what a run under a standing approval tells of its plan is what the plan says."""
    plan = Plan.from_bytes(plan_text)
    told = {name: plan.parameters.get(name) for name in planned.get("parameters", {})}
    return planned.get("costs") == kinds.costs(plan) and planned.get("parameters") == as_told(told)


def _removed(report: Report) -> None:
    there = Operation.objects.filter(pk=OuterRef("operation_id"))
    gone = AuditEvent.objects.filter(~Exists(there), type="op.planned").order_by("id")
    for operation_id in gone.values_list("operation_id", flat=True).iterator(chunk_size=CHUNK):
        report.add("operation", f"operation {operation_id}", "The history tells of it, and its row is gone.")


def _targets(report: Report) -> None:
    """What each operation touches is what it was planned for, and it holds that while it is active, no longer."""
    events = AuditEvent.objects.filter(type="op.planned").order_by("operation_id", "id")
    planned = events.exclude(operation_id=None).values_list("operation_id", "payload").iterator(chunk_size=CHUNK)
    rows = _by_operation()
    number, here = next(rows, (0, []))
    for operation_id, payload in planned:
        assert operation_id is not None
        while number and number < operation_id:
            report.add("target", f"operation {number}", "It touches something, and no event tells of it.")
            number, here = next(rows, (0, []))
        told = data_of(payload).get("targets", UNTOLD)
        there = here if number == operation_id else []
        if told is not UNTOLD and _sorted(told) != _sorted(there):
            report.add("target", f"operation {operation_id}", "It was planned for other targets than it has now.")
        if number == operation_id:
            number, here = next(rows, (0, []))
    wrong = OperationTarget.objects.filter(active=True).exclude(operation__state__in=ACTIVE)
    wrong |= OperationTarget.objects.filter(active=False, operation__state__in=ACTIVE)
    for operation_id in wrong.order_by("operation_id").values_list("operation_id", flat=True).iterator(CHUNK):
        report.add(
            "target", f"operation {operation_id}", "It holds a target and is not active, or the other way round."
        )


def _slots(report: Report) -> None:
    """A run under a standing approval stands for a time at which its schedule was due."""
    started = Exists(ScheduleSlot.objects.filter(operation=OuterRef("pk"), state=ScheduleSlot.State.STARTED))
    alone = Operation.objects.exclude(standing=None).filter(~started).order_by("id")
    for operation_id in alone.values_list("pk", flat=True).iterator(chunk_size=CHUNK):
        why = "It began under a schedule's standing approval, and at no time of a schedule."
        report.add("operation", f"operation {operation_id}", why)


def _by_operation() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    rows = OperationTarget.objects.order_by("operation_id", "id")
    number, gathered = 0, list[dict[str, Any]]()
    for operation_id, database, identity, role in rows.values_list(
        "operation_id", "database_id", "identity", "role"
    ).iterator(chunk_size=CHUNK):
        if operation_id != number and gathered:
            yield number, gathered
            gathered = []
        number = operation_id
        gathered.append({"database": database, "identity": as_told(identity), "role": role})
    if gathered:
        yield number, gathered


def _sorted(targets: Any) -> list[str]:
    return sorted(json.dumps(target, sort_keys=True) for target in targets) if isinstance(targets, list) else []
