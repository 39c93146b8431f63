"""Do the events and the rows that they tell of agree? Each rule compares one table with the history."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.apps import apps
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from opsconsole.audit import catalogue
from opsconsole.audit.redaction import plain
from opsconsole.models import AuditEvent, Operation, Policy
from opsconsole.plans import digest_of
from opsconsole.states import State
from opsconsole.verify_audit import Report

CHUNK = 500
POLICY_FIELDS = ("name", "version", "match", "clauses", "min_people", "valid_minutes", "windows", "enabled")
SEALED = ("digest", "kind", "database_id", "gated", "votes_needed", "self_confirmed")  # columns that never change
POLICY_LATER = frozenset({"title", "effective_at", "loss_growth_percent", "loss_growth_rows"})
VOTE_FIELDS = (
    ("person_id", "person"), ("decision", "decision"), ("digest", "digest"), ("id", "vote"), ("account_id", "account"),
    ("auth_at", "auth_at"), ("policy_digest", "policy_digest"), ("at", "at"),
)  # fmt: skip
Told = tuple[Any, ...]
UNTOLD = object()  # what an event of an older console does not say


@dataclass(frozen=True, kw_only=True)
class Witnessed:
    """Every row of `model` (app.Model, with an `operation_id`) has an event of `type` that tells the same facts.

    `fields` pairs a column of the row with a field of the event's data; events of an older console lack those that
    `later` names. With `kept`, every event has its row too.
    """

    model: str
    type: str
    fields: tuple[tuple[str, str], ...]
    later: frozenset[str] = frozenset()
    kept: bool = True


VOTES = Witnessed(
    model="opsconsole.Vote", type="op.voted", fields=VOTE_FIELDS,
    later=frozenset({"vote", "account", "auth_at", "policy_digest", "at"}),
)  # fmt: skip
_RULES: list[Witnessed] = [VOTES]


def add_rule(rule: Witnessed) -> None:
    """Have another table compared with its events; an app calls this when Django starts."""
    _RULES.append(rule)


def reconcile(report: Report) -> None:
    """Add a finding for every row that its events do not account for, and the other way round."""
    _operations(report)
    _removed_operations(report)
    _policies(report)
    for rule in _RULES:
        _witnessed(report, rule)


def _operations(report: Report) -> None:
    """Each operation is in the state that its last event tells, and what it asks for is what it was planned with."""
    moves = [entry.name for entry in catalogue.every() if entry.moves]
    last = AuditEvent.objects.filter(operation_id=OuterRef("pk"), type__in=moves).order_by("-id").values("payload")[:1]
    first = (
        AuditEvent.objects.filter(operation_id=OuterRef("pk"), type="op.planned").order_by("id").values("payload")[:1]
    )
    rows = Operation.objects.order_by("id").annotate(last=Subquery(last), first=Subquery(first))
    for row in rows.values("id", "state", "plan_text", *SEALED, "last", "first").iterator(chunk_size=CHUNK):
        report.operations += 1
        where = f"operation {row['id']}"
        if row["first"] is None or row["last"] is None:
            report.add("operation", where, "The history does not know where it comes from.")
            continue
        told = _data(row["last"]).get("to", str(State.PLANNED))
        if told != row["state"]:
            report.add("operation", where, f"It is {row['state']}, and its last event says {told}.")
        planned = _data(row["first"])
        if planned.get("digest") != row["digest"] or digest_of(row["plan_text"].encode()) != row["digest"]:
            report.add("operation", where, "Its plan has another digest than the one that it was planned with.")
        wrong = [name for name, told in _sealed(row["first"], planned).items() if told not in (UNTOLD, row[name])]
        if wrong:
            report.add("operation", where, f"It was planned with something else than it has now: {', '.join(wrong)}.")


def _sealed(payload: bytes | memoryview, planned: Mapping[str, Any]) -> dict[str, Any]:
    """What an operation's first event tells of the columns that never change."""
    subject = json.loads(bytes(payload))["subject"]
    named = ("gated", "votes_needed", "self_confirmed")
    told = {name: planned.get(name, UNTOLD) for name in named}
    return told | {"kind": subject["kind"], "database_id": subject["database"]}


def _removed_operations(report: Report) -> None:
    there = Operation.objects.filter(pk=OuterRef("operation_id"))
    gone = AuditEvent.objects.filter(~Exists(there), type="op.planned").order_by("id")
    for operation_id in gone.values_list("operation_id", flat=True).iterator(chunk_size=CHUNK):
        report.add("operation", f"operation {operation_id}", "The history tells of it, and its row is gone.")


def _policies(report: Report) -> None:
    """Every version of a policy is word for word what its event says."""
    names = (*POLICY_FIELDS, *sorted(POLICY_LATER))
    events = AuditEvent.objects.filter(type__in=("policy.shipped", "policy.changed")).order_by("id")
    told = [_told(payload, names, POLICY_LATER) for payload in events.values_list("payload", flat=True)]
    rows = Policy.objects.order_by("id")
    if not AuditEvent.objects.filter(type="console.started").exists():
        rows = rows.exclude(changed_by=None)  # a console that never started has not told of what it was shipped with
    there = [(row["id"], _facts(row, names)) for row in rows.values("id", *names)]
    for policy_id, facts in there:
        if not _is_told(facts, told):
            report.add(
                "policy", f"policy {policy_id}", f"No event tells of {facts[0]} version {facts[1]} as it stands."
            )
    for facts in told:
        if not any(_is_told(other, [facts]) for _, other in there):
            report.add(
                "policy", f"policy {facts[0]}", f"Its version {facts[1]} is gone, or is not what its event says."
            )


def _witnessed(report: Report, rule: Witnessed) -> None:
    """Walk rows and events side by side, one operation at a time."""
    model, noun = apps.get_model(rule.model), rule.model.rpartition(".")[2].lower()
    columns, names = zip(*rule.fields, strict=True)
    rows = model._default_manager.order_by("operation_id", "id").values("operation_id", *columns)
    events = AuditEvent.objects.filter(type=rule.type).order_by("operation_id", "id").values("operation_id", "payload")
    told = ((row["operation_id"], _told(row["payload"], names, rule.later)) for row in _stream(events))
    there = ((row["operation_id"], _facts(row, columns)) for row in _stream(rows))
    for operation_id, has, says in _side_by_side(there, told):
        where = f"{noun}s of operation {operation_id}"
        if any(not _is_told(facts, says) for facts in has) or len(has) > len(says):
            report.add(noun, where, f"A {noun} is not as an event {rule.type} tells it, or has no event.")
        elif rule.kept and len(has) < len(says):
            report.add(noun, where, f"An event tells of a {noun} that is not there.")


def _stream(rows: QuerySet[Any, Any]) -> Iterator[dict[str, Any]]:
    return rows.iterator(chunk_size=CHUNK)


def _side_by_side(
    there: Iterator[tuple[int, Told]], told: Iterator[tuple[int, Told]]
) -> Iterator[tuple[int, list[Told], list[Told]]]:
    """Both sides' facts of each operation; both come in the order of operations."""
    left, right = groupby(there, key=lambda pair: pair[0]), groupby(told, key=lambda pair: pair[0])
    mine, theirs = next(left, None), next(right, None)
    while mine or theirs:
        key = min(side[0] for side in (mine, theirs) if side)
        has, says = list[Told](), list[Told]()
        if mine and mine[0] == key:
            has, mine = [facts for _, facts in mine[1]], next(left, None)
        if theirs and theirs[0] == key:
            says, theirs = [facts for _, facts in theirs[1]], next(right, None)
        yield key, has, says


def _data(payload: bytes | memoryview) -> dict[str, Any]:
    try:
        return dict(json.loads(bytes(payload))["data"])
    except (ValueError, KeyError, TypeError):
        return {}


def _told(payload: bytes | memoryview, names: tuple[str, ...], later: frozenset[str] = frozenset()) -> Told:
    data = _data(payload)
    return tuple(data.get(name, UNTOLD if name in later else None) for name in names)


def _is_told(facts: Told, says: Iterable[Told]) -> bool:
    """Whether an event tells these facts, but for what it leaves untold."""
    return any(all(told in (UNTOLD, fact) for fact, told in zip(facts, each, strict=True)) for each in says)


def _facts(row: dict[str, Any], columns: tuple[str, ...]) -> Told:
    return tuple(as_told(row[column]) for column in columns)


def as_told(value: Any) -> Any:
    """A column's value as events tell it."""
    return plain(value.isoformat() if isinstance(value, datetime) else value)
