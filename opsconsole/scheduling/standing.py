"""Which schedules count, on which databases, and how their last times went. Reads rows, writes none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Max, QuerySet, Window
from django.db.models.functions import RowNumber

from opsconsole import approvals, kinds
from opsconsole.clock import now
from opsconsole.models import Database, Schedule, ScheduleSlot
from opsconsole.plans import Plan
from opsconsole.posture import Level, Line
from opsconsole.scheduling.times import Times
from opsconsole.targets import plan_target

TOLD = timedelta(days=7)  # how long a time that went wrong is told of, unless a later one went well
CLOCK_WENT_BACK = timedelta(hours=1)


def newest() -> list[Schedule]:
    """The newest version of every schedule, switched on or off, by name."""
    ranked = Schedule.objects.annotate(rank=Window(RowNumber(), partition_by=[F("name")], order_by=F("version").desc()))
    return list(ranked.filter(rank=1).select_related("changed_by__requester__person").order_by("name"))


def current() -> list[Schedule]:
    """The schedules that are switched on; none where the console is told to start nothing by itself."""
    return [row for row in newest() if row.enabled] if settings.SCHEDULES else []


def times_of(schedule: Schedule) -> Times:
    """When it is due. Its values were checked when they were confirmed."""
    return Times.of(schedule.cron, schedule.timezone, schedule.blackouts)


def databases_of(schedule: Schedule, among: QuerySet[Database] | None = None) -> list[Database]:
    """The managed databases that it concerns, and on whose engine its kind works."""
    rows = Database.objects.all() if among is None else among
    rows = rows.filter(removed_at=None, engine__in=kinds.get(schedule.kind).engines)
    wanted = schedule.match
    if wanted.get("databases"):
        rows = rows.filter(name__in=wanted["databases"])
    if wanted.get("environments"):
        rows = rows.filter(environment__name__in=wanted["environments"])
    found = rows.select_related("environment", "owner_group").order_by("name")
    tags = set(wanted.get("tags") or ())
    return [row for row in found if not tags or tags & set(row.tags)]


def last_slots(schedule: Schedule) -> dict[int, datetime]:
    """The last time of each database that something is known of, by database id."""
    rows = ScheduleSlot.objects.filter(schedule=schedule.name).order_by()
    return dict(rows.values_list("database").annotate(last=Max("slot")))


@dataclass(frozen=True, kw_only=True)
class Once:
    """How the approval stands that was given once for a schedule's runs.

    `places` are the databases of its template, `lacks` says by database what is missing there.
    """

    standing: approvals.Standing
    ballots: tuple[approvals.Ballot, ...]
    places: tuple[Mapping[str, Any], ...]
    lacks: Mapping[str, str]

    @property
    def holds(self) -> bool:
        return not (self.standing.ended or self.lacks)


def approved_once(schedule: Schedule, among: QuerySet[Database] | None = None) -> Once | None:
    """Who approved its runs once, until when, and what has ended that; None where each run asks for itself.

    `among` are the databases of which may be told.
    """
    at = now()
    standing = approvals.standing_of(schedule, at=at)
    if standing is None:
        return None
    kind, ballots, lacks = kinds.get(schedule.kind), dict[int, approvals.Ballot](), dict[str, str]()
    settled = standing.template["parameters"]
    concerned = databases_of(schedule, among)
    for database in concerned:
        plan = Plan(kind=kind.name, summary="", targets=(plan_target(database, None),), parameters=settled)
        tally = approvals.standing_tally(standing, plan, approvals.requirement_for(kind, plan.targets, at=at), at=at)
        ballots |= {ballot.vote.pk: ballot for ballot in tally.ballots}
        if missing := [why for why in tally.missing if why not in standing.ended]:
            lacks[database.name] = "; ".join(missing)
    seen = {database.pk for database in concerned}
    places = tuple(place for place in standing.template["databases"] if place["database"] in seen)
    return Once(standing=standing, ballots=tuple(ballots.values()), places=places, lacks=lacks)


def asks_people(schedule: Schedule) -> bool:
    """Whether a policy asks for people somewhere where it runs."""
    kind, at = kinds.get(schedule.kind), now()
    each = ([plan_target(database, None)] for database in databases_of(schedule))
    return any(approvals.requirement_for(kind, targets, at=at).gated for targets in each)


def where(schedule: Schedule) -> str:
    """`every database`, `savings and crm`, `every database in production`."""
    match = schedule.match
    if match.get("databases"):
        return " and ".join(match["databases"])
    parts = [f"in {' or '.join(match['environments'])}"] if match.get("environments") else []
    parts += [f"tagged {' or '.join(match['tags'])}"] if match.get("tags") else []
    return " ".join(["every database", *parts])


def sentence(schedule: Schedule) -> str:
    """`Back up every database at 02:00 (UTC)`."""
    label = kinds.get(schedule.kind).label
    return f"{label} {where(schedule)} {times_of(schedule).words}"


def read(databases: Sequence[Database]) -> dict[int, list[Line]]:
    """What was due on each database lately and did not start, unless a later time of the same schedule did."""
    lines: dict[int, list[Line]] = {}
    at = now()
    for slot in _newest_slots(databases, since=at - TOLD):
        if slot.slot > at + CLOCK_WENT_BACK:
            until = f"{slot.slot:%Y-%m-%d %H:%M} UTC"
            words = f"The clock went back: nothing of the schedule {slot.schedule} starts before {until}."
        elif slot.state in (ScheduleSlot.State.MISSED, ScheduleSlot.State.REFUSED):
            words = slot.why
        else:
            continue
        level = Level.BAD if slot.database.environment.protected else Level.WATCH
        line = Line(topic="schedule", level=level, sentence=words, at=slot.slot,
                    link=f"/schedules/{slot.schedule}/", link_text=f"Look at {slot.schedule}")  # fmt: skip
        lines.setdefault(slot.database_id, []).append(line)
    return lines


def _newest_slots(databases: Iterable[Database], *, since: datetime) -> list[ScheduleSlot]:
    rows = ScheduleSlot.objects.filter(database__in=[database.pk for database in databases], slot__gte=since)
    rank = Window(RowNumber(), partition_by=[F("schedule"), F("database")], order_by=F("slot").desc())
    return list(rows.annotate(rank=rank).filter(rank=1).select_related("database__environment"))
