"""Changes of schedules: a new version of one, or switching one off. Whoever guards what it would do must agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings

from opsconsole import approvals, audit, kinds
from opsconsole.changes.base import Change, Draft
from opsconsole.changes.policies import windows_of
from opsconsole.changes.values import names, number, slug, structure, text
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Database, Environment, Operation, Schedule
from opsconsole.parameters import clean
from opsconsole.permissions import can
from opsconsole.plans import Effect
from opsconsole.scheduling import standing
from opsconsole.scheduling.times import Times
from opsconsole.targets import plan_target

VALUES = (
    "title", "kind", "parameters", "match", "cron", "timezone", "missed", "late_minutes", "blackouts", "enabled",
    "template",
)  # fmt: skip
MOST_LATE = 7 * 24 * 60
ONCE, EACH_RUN = "once", "each_run"  # how its runs are approved, where a policy asks for people


def _refuse_lacking(parameters: Mapping[str, Any], last: Schedule) -> None:
    """Raises Usage that names all a new schedule lacks, not the first of it."""
    needed = {"kind": "what it starts (kind, like backup)", "cron": "when (cron, like 30 1 * * *)"}
    lacking = [words for name, words in needed.items() if not (parameters.get(name) or getattr(last, name))]
    if lacking:
        raise Usage(
            "missing_value", f"A new schedule needs {' and '.join(lacking)}.", f"There is no schedule {last.name} yet."
        )


class SetSchedule(Change):
    """A new schedule, or a new version of one. The values are those of `models.Schedule`."""

    name = "schedule.set"
    label = "Set a schedule"
    fields = ("name", "title", "kind", "parameters", "databases", "environments", "tags", "cron", "timezone", "missed",
              "late_minutes", "blackouts", "approval")  # fmt: skip

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        name = slug(parameters, "name", of="a schedule")
        last = newest_of(name) or Schedule(name=name, title=name, version=0)
        _refuse_lacking(parameters, last)
        kind = kinds.get(text(parameters, "kind", default=last.kind or None))
        given = structure(parameters, "parameters", default=last.parameters)
        blackouts = windows_of(structure(parameters, "blackouts", default=last.blackouts))
        times = Times.of(
            text(parameters, "cron", default=last.cron or None),
            text(parameters, "timezone", default=last.timezone),
            blackouts,
        )
        missed = text(parameters, "missed", default=last.missed)
        if missed not in Schedule.Missed.values:
            raise Usage("bad_value", f"{missed!r} is no value of missed.", "Use run_late or tell.")
        wanted = {
            "title": text(parameters, "title", default=last.title)[:120],
            "kind": kind.name,
            "parameters": checked(kind, given),
            "match": match_of(parameters, last.match),
            "cron": times.cron,
            "timezone": times.timezone,
            "missed": missed,
            "late_minutes": number(parameters, "late_minutes", default=last.late_minutes, least=0, most=MOST_LATE),
            "blackouts": blackouts,
            "enabled": True,
        }
        approval = text(parameters, "approval", default=ONCE)
        if approval not in (ONCE, EACH_RUN):
            raise Usage("bad_value", f"{approval!r} is no value of approval.", f"Use {ONCE} or {EACH_RUN}.")
        return draft_of(last, wanted, once=approval == ONCE)

    def refuse_strangers(self, account: Account | None, draft: Draft) -> None:
        _refuse_strangers(account, draft)

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return write(operation, parameters)


class SwitchScheduleOff(Change):
    """Switch a schedule off; what it started goes on."""

    name = "schedule.off"
    label = "Switch a schedule off"
    fields = ("name",)

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        name = text(parameters, "name")
        last = newest_of(name)
        if last is None or not last.enabled:
            raise Usage("unknown_schedule", f"There is no schedule called {name} that is on.", "Look at the list.")
        return draft_of(last, {field: getattr(last, field) for field in VALUES} | {"enabled": False, "template": {}})

    def refuse_strangers(self, account: Account | None, draft: Draft) -> None:
        _refuse_strangers(account, draft)

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return write(operation, parameters)


def draft_of(last: Schedule, wanted: Mapping[str, Any], *, once: bool = False) -> Draft:
    """What the new version means. `last` is the version before, or an unsaved one of version 0.

    `once`: where a policy asks for people, they approve its runs with it, so they are the ones who must confirm it.
    """
    row = Schedule(name=last.name, version=last.version + 1, **wanted)
    concerned = standing.databases_of(row)
    before = standing.databases_of(last) if last.version else []
    both = {database.pk: database for database in [*concerned, *before]}
    groups = {database.owner_group.name for database in both.values()}
    says = standing.sentence(row) if row.enabled else "switched off"
    was = standing.sentence(last) if last.version and last.enabled else "nothing"
    kind = kinds.get(row.kind)
    demands = _demands(kind, concerned)
    if once and demands.gated and settings.STANDING_APPROVAL_DAYS:
        row.template = approvals.template_of(
            kind, row.parameters, concerned, name=row.name, version=row.version, at=now()
        )
    return Draft(
        summary=f"The schedule {row.name} (version {row.version}): {says}.",
        parameters={"name": row.name, "version": row.version, **wanted, "template": row.template},
        effects=(
            Effect(
                object=f"schedule {row.name}", action="replaced" if last.version else "created", note=f"{was} → {says}"
            ),
            Effect(object="databases", action="kept", note=", ".join(d.name for d in concerned) or "none yet"),
        ),
        facts=(f"schedule/{row.name}",),
        owner_groups=tuple(sorted(groups)),
        databases=tuple(sorted(both)) if kind.mutates or not row.enabled else (),
        demands=demands if row.template else approvals.Requirement(gated=False),
        risk="high" if kind.mutates else "low",
        risk_reasons=_risks(row, last, gated=demands.gated),
        way_back="Set the schedule as it was, or switch it off.",
    )


def _demands(kind: kinds.Kind, concerned: Iterable[Database]) -> approvals.Requirement:
    """Everything that its runs need, wherever they go."""
    at = now()
    each = [approvals.requirement_for(kind, [plan_target(database, None)], at=at) for database in concerned]
    return approvals.strictest_of(each)


def write(operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Add the version."""
    row = Schedule.objects.create(**parameters, created_at=now(), changed_by=operation)
    told = {"name": row.name, "version": row.version, **{field: getattr(row, field) for field in VALUES}}
    audit.record("schedule.changed", operation=operation, subject=f"{row.name} version {row.version}", data=told)
    return {"schedule": row.name, "version": row.version}


def newest_of(name: str) -> Schedule | None:
    """The newest version of a schedule, on or off."""
    return Schedule.objects.filter(name=name).order_by("-version").first()


def checked(kind: kinds.Kind, given: Any) -> dict[str, str]:
    """What somebody gives of a kind's parameters, without those left as they are by default. Raises Usage."""
    if not isinstance(given, dict):
        raise Usage("bad_value", "The settings of an operation are names and values.", 'Like {"format": "native"}.')
    return {name: value for name, value in clean(kind, given).items() if given.get(name)}


def match_of(parameters: Mapping[str, Any], last: Mapping[str, Any]) -> dict[str, list[str]]:
    """`{"databases", "environments", "tags"}`, each a list of known names or absent. Raises Usage."""
    keys = ("databases", "environments", "tags")
    if not any(key in parameters for key in keys):
        return dict(last)
    match = {key: sorted(names(parameters, key)) for key in keys}
    known = {
        "databases": set(Database.objects.filter(removed_at=None).values_list("name", flat=True)),
        "environments": set(Environment.objects.values_list("name", flat=True)),
    }
    for key, there in known.items():
        if unknown := sorted(set(match[key]) - there):
            listed = ", ".join(sorted(there)) or "none"
            raise Usage("bad_value", f"There is nothing called {unknown[0]} among the {key}.", f"There are: {listed}.")
    return {key: values for key, values in match.items() if values}


def _risks(row: Schedule, last: Schedule, *, gated: bool) -> tuple[str, ...]:
    if not row.enabled:
        return (f"Nobody will {kinds.get(row.kind).label.lower()} by itself any more.",)
    reasons = _about_approvals(row) if gated else []
    if kinds.get(row.kind).mutates and not gated:
        reasons.append("Each run of it changes data without asking anybody again.")
    if last.version and last.enabled and (last.cron, last.match) != (row.cron, row.match):
        reasons.append("It runs at other times, or elsewhere, than now.")
    return tuple(reasons)


def _about_approvals(row: Schedule) -> list[str]:
    """What confirming it means for its runs, where a policy asks for people."""
    if not row.template:
        return ["Each run of it waits for the approvals that it needs, like any request."]
    known = {place["name"] for place in row.template["databases"]}
    unknown = [database.name for database in standing.databases_of(row) if database.name not in known]
    return [
        f"Whoever confirms it approves its runs on {' and '.join(sorted(known)) or 'no database yet'}, for "
        f"{row.template['days']} days, as long as policies, people, settings and databases stay as they are.",
        "A run that would cost rows, or bring statements or files of its own, waits for approvals all the same.",
        *([f"Nothing is known of {' and '.join(unknown)} yet, so runs there wait for approvals."] if unknown else []),
    ]


def _refuse_strangers(account: Account | None, draft: Draft) -> None:
    """Engineers ask for schedules of what they may ask for; what concerns every database, somebody who may anywhere."""
    if account is None:
        return
    concerned = Database.objects.filter(owner_group__name__in=draft.owner_groups, removed_at=None)
    touched = concerned.filter(pk__in=draft.databases) if draft.databases else concerned
    strange = [row.name for row in touched if not can(account, "request", row)]
    if strange or not can(account, "request"):
        raise Refused(
            "not_allowed", f"Your role does not let you ask for operations on {', '.join(strange) or 'any database'}.",
            "Name databases of your own owner groups, or ask an engineer of those.",
        )  # fmt: skip
