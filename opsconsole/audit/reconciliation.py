"""Do the events and the rows that they tell of agree? Each rule compares one table with the history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.apps import apps
from django.db.models import QuerySet

from opsconsole.audit import operation_rows
from opsconsole.audit.told import UNTOLD, as_told, data_of
from opsconsole.models import AuditEvent, Policy, Schedule
from opsconsole.verify_audit import Report

CHUNK = 500
POLICY_FIELDS = ("name", "version", "match", "clauses", "min_people", "valid_minutes", "windows", "enabled")
POLICY_LATER = frozenset(
    {"title", "effective_at", "loss_growth_percent", "loss_growth_rows", "rehearsal_hours", "rehearsal_data_hours"}
)
SCHEDULE_FIELDS = (
    "name", "version", "title", "kind", "parameters", "match", "cron", "timezone", "missed", "late_minutes",
    "blackouts", "enabled", "template",
)  # fmt: skip
SCHEDULE_LATER = frozenset({"template"})
VOTE_FIELDS = (
    ("person_id", "person"), ("decision", "decision"), ("digest", "digest"), ("id", "vote"), ("account_id", "account"),
    ("auth_at", "auth_at"), ("policy_digest", "policy_digest"), ("at", "at"),
)  # fmt: skip
Told = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Witnessed:
    """Every row of `model` (app.Model, with an `operation_id`) has an event of `type` that tells the same facts.

    `fields` pairs a column of the row with a field of the event's data; events of an older console lack those that
    `later` names. With `kept`, every event has its row too.
    """

    model: str
    type: str
    also: tuple[str, ...] = ()  # other types of event that tell of such a row
    fields: tuple[tuple[str, str], ...]
    later: frozenset[str] = frozenset()
    kept: bool = True


VOTES = Witnessed(
    model="opsconsole.Vote", type="op.voted", fields=VOTE_FIELDS,
    later=frozenset({"vote", "account", "auth_at", "policy_digest", "at"}),
)  # fmt: skip
GRANTS = Witnessed(
    model="opsconsole.ExecutionGrant", type="op.armed", fields=(("digest", "digest"), ("fence", "fence")),
    later=frozenset({"fence"}), kept=False,
)  # fmt: skip
_RULES: list[Witnessed] = [VOTES, GRANTS]
_COMPARISONS: list[Callable[[Report], None]] = []


def add_rule(rule: Witnessed) -> None:
    """Have another table compared with its events; an app calls this when Django starts."""
    _RULES.append(rule)


def add_comparison(compare: Callable[[Report], None]) -> None:
    """Have an app compare by itself what no column tells, and add what it finds; called when Django starts."""
    _COMPARISONS.append(compare)


def reconcile(report: Report) -> None:
    """Add a finding for every row that its events do not account for, and the other way round."""
    operation_rows.compare(report)
    _policies(report)
    _schedules(report)
    for rule in _RULES:
        _witnessed(report, rule)
    for compare in _COMPARISONS:
        compare(report)


def _policies(report: Report) -> None:
    """Every version of a policy is word for word what its event says."""
    names = (*POLICY_FIELDS, *sorted(POLICY_LATER))
    _versions(report, Policy, ("policy.shipped", "policy.changed"), names, POLICY_LATER)


def _schedules(report: Report) -> None:
    """So is every version of a schedule."""
    _versions(report, Schedule, ("schedule.shipped", "schedule.changed"), SCHEDULE_FIELDS, SCHEDULE_LATER)


def _versions(
    report: Report, model: type[Policy] | type[Schedule], types: tuple[str, str], names: tuple[str, ...],
    later: frozenset[str],
) -> None:  # fmt: skip
    noun = model.__name__.lower()
    events = AuditEvent.objects.filter(type__in=types).order_by("id")
    told = [_told(payload, names, later) for payload in events.values_list("payload", flat=True)]
    rows = model._default_manager.order_by("id")
    if not AuditEvent.objects.filter(type=types[0]).exists():
        rows = rows.exclude(changed_by=None)  # a console that never started has not told of what it was shipped with
    there = [(row["id"], _facts(row, names)) for row in rows.values("id", *names)]
    for number, facts in there:
        if not _is_told(facts, told):
            report.add(noun, f"{noun} {number}", f"No event tells of {facts[0]} version {facts[1]} as it stands.")
    for facts in told:
        if not any(_is_told(other, [facts]) for _, other in there):
            report.add(noun, f"{noun} {facts[0]}", f"Its version {facts[1]} is gone, or is not what its event says.")


def _witnessed(report: Report, rule: Witnessed) -> None:
    """Walk rows and events side by side, one operation at a time."""
    model, noun = apps.get_model(rule.model), rule.model.rpartition(".")[2].lower()
    columns, names = zip(*rule.fields, strict=True)
    rows = model._default_manager.order_by("operation_id", "pk").values("operation_id", *columns)
    events = (
        AuditEvent.objects.filter(type__in=(rule.type, *rule.also))
        .exclude(operation_id=None)  # of which the walk has told already
        .order_by("operation_id", "id")
        .values("operation_id", "payload")
    )
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


def _told(payload: Any, names: tuple[str, ...], later: frozenset[str] = frozenset()) -> Told:
    data = data_of(payload)
    return tuple(data.get(name, UNTOLD if name in later else None) for name in names)


def _is_told(facts: Told, says: Iterable[Told]) -> bool:
    """Whether an event tells these facts, but for what it leaves untold."""
    return any(all(told in (UNTOLD, fact) for fact, told in zip(facts, each, strict=True)) for each in says)


def _facts(row: dict[str, Any], columns: tuple[str, ...]) -> Told:
    return tuple(as_told(row[column]) for column in columns)
