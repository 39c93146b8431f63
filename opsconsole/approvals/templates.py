"""Standing approvals: the sealed template that people approved once for a schedule's runs, and what ends that.

The template stands in the plan of the change that set the schedule, so the votes on that plan are votes for it. A run
is carried by them while nothing has ended them (`standing_of`) and its own plan stays inside the template (`outside`);
the votes are counted again for each run (`approvals.tally`). Whatever is not carried waits for people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings

from opsconsole import kinds
from opsconsole.approvals.rules import in_force
from opsconsole.audit.redaction import plain
from opsconsole.models import Database, Operation, Schedule
from opsconsole.parameters import clean
from opsconsole.plans import Plan, Target, canonical_json, digest_of

VARIES = "what the database holds when it is planned: counts, sizes, and which backup is the newest"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What was agreed to once for a version of a schedule. `ended` says why it no longer counts (empty: it does)."""

    schedule: Schedule
    change: Operation  # whose votes it rests on
    until: datetime
    ended: tuple[str, ...] = ()

    @property
    def template(self) -> Mapping[str, Any]:
        return self.schedule.template

    @cached_property
    def digest(self) -> str:
        return digest_of(canonical_json(plain(self.template)))  # as the history tells it

    @property
    def asked_by_nobody(self) -> bool:
        """Whether it was asked for on a shell, so that one person more must stand behind it."""
        return "asked_by" in self.change.plan.evidence


def template_of(
    kind: kinds.Kind, parameters: Mapping[str, str], databases: Iterable[Database], *, name: str, version: int,
    at: datetime,
) -> dict[str, Any]:  # fmt: skip
    """What is sealed for a version of a schedule: JSON without floats. A database that was never reached is no part."""
    values = clean(kind, parameters)
    return {
        "schedule": name,
        "version": version,
        "kind": kind.name,
        "parameters": values,
        "databases": [_place(row) for row in sorted(databases, key=lambda row: row.pk) if row.identity],
        "policies": in_force(at).digest,
        "days": settings.STANDING_APPROVAL_DAYS,
        "varies": [*(key for key, value in values.items() if not value), VARIES],
    }


def standing_of(schedule: Schedule, *, at: datetime) -> Standing | None:
    """The standing approval of that version, whether or not it still counts; None where none was asked for."""
    change, template = schedule.changed_by, schedule.template
    if change is None or not template:
        return None
    until = schedule.created_at + timedelta(days=min(int(template["days"]), settings.STANDING_APPROVAL_DAYS))
    newest = Schedule.objects.filter(name=schedule.name).order_by("-version").values_list("pk", flat=True).first()
    ended = [
        (newest == schedule.pk and schedule.enabled, "The schedule was changed or switched off since it was given."),
        (_is_confirmed(schedule, change), "The schedule is not what was confirmed."),
        (at < until, f"It counted until {until:%Y-%m-%d %H:%M} UTC."),
        (in_force(at).digest == template["policies"], "Policies were changed since it was given."),
    ]
    return Standing(
        schedule=schedule, change=change, until=until, ended=tuple(why for holds, why in ended if not holds)
    )


def outside(template: Mapping[str, Any], plan: Plan) -> list[str]:
    """In what the plan of a run goes beyond the template, in words; empty when it stays inside."""
    found = [] if plan.kind == template["kind"] else [f"It is a {plan.kind}, and a {template['kind']} was approved."]
    for key, value in template["parameters"].items():
        if value and plan.parameters.get(key) != value:
            found.append(f"{key} is {plan.parameters.get(key)!r}, and {value!r} was approved.")
    if kinds.costs(plan):
        found.append("Its plan says what it would cost now, which nobody has approved.")
    known = {place["database"]: place for place in template["databases"]}
    return found + [why for target in plan.targets for why in _moved(target, known.get(target.database_id))]


def told_of(standing: Standing, plan: Plan, slot: str) -> dict[str, Any]:
    """What the first event of a run tells beside the change, so that the verifier can ask all this again."""
    names = standing.template["parameters"]
    return {
        "schedule": standing.schedule.name, "slot": slot, "template": standing.digest, "costs": kinds.costs(plan),
        "parameters": {key: plan.parameters.get(key) for key in names},
    }  # fmt: skip


def _place(row: Database) -> dict[str, Any]:
    return {
        "database": row.pk, "name": row.name, "identity": row.identity, "environment": row.environment.name,
        "protected": row.environment.protected, "owner_group": row.owner_group.name, "tags": sorted(row.tags),
    }  # fmt: skip


def _moved(target: Target, approved: Mapping[str, Any] | None) -> list[str]:
    if approved is None:
        return [f"{target.database} was not there to be approved."]
    row = Database.objects.select_related("environment", "owner_group").get(pk=target.database_id)
    here = {**_place(row), "identity": target.identity}
    wrong = sorted(name.replace("_", " ") for name, value in approved.items() if here[name] != value)
    return [f"{target.database} has another {' and '.join(wrong)} than was approved."] if wrong else []


def _is_confirmed(schedule: Schedule, change: Operation) -> bool:
    """Whether the change's sealed plan, on which people voted, says all that a run follows from."""
    said = change.plan.parameters
    names = (
        "name", "version", "kind", "parameters", "match", "cron", "timezone", "missed", "late_minutes", "blackouts",
        "enabled", "template",
    )  # fmt: skip
    return (
        change.plan.digest == change.digest
        and said.get("action") == "schedule.set"
        and all(said.get(name) == getattr(schedule, name) for name in names)
    )
