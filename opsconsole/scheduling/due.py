"""Starting what is due. Any number of tickers may do this at once: a row for each time, unique, decides between them.

Planning reads the target and may take a while, so it happens outside the transaction that starts the operation; the
chore has a thread of its own, so that a target that hangs holds up nothing else.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import DatabaseError, IntegrityError, transaction

from opsconsole import approvals, audit, kinds, operations
from opsconsole.background import in_background
from opsconsole.clock import now
from opsconsole.exceptions import OpsError, Refused
from opsconsole.models import Account, Database, Operation, Schedule, ScheduleSlot
from opsconsole.permissions import can
from opsconsole.scheduling import standing
from opsconsole.states import OPEN

log = logging.getLogger(__name__)
ON_TIME = timedelta(minutes=15)  # something that could not be planned is tried again for so long, and is not late yet
AGAIN_SECONDS = 60.0
State = ScheduleSlot.State
_again: dict[tuple[str, int, datetime], float] = {}


def start_in_background() -> None:
    """Start what is due in a thread, unless the last one still works."""
    if settings.SCHEDULES:
        _beside()


def start() -> int:
    """Start everything that is due now; gives back how many operations were made.

    What fails in a way that nobody foresaw keeps neither another schedule nor another database from its turn.
    """
    return sum(_or_nothing(partial(_start, schedule), schedule.name) for schedule in standing.current())


_beside = in_background(start, name="schedules", actor="schedule", failed="what is due could not be started")


def _start(schedule: Schedule) -> int:
    last, started = standing.last_slots(schedule), 0
    for database in standing.databases_of(schedule):
        since = max(filter(None, (last.get(database.pk), schedule.created_at, database.created_at)))
        started += _or_nothing(partial(_look, schedule, database, since), f"{schedule.name} on {database.name}")
    return started


def _or_nothing(begin: Callable[[], int], what: str) -> int:
    try:
        return begin()
    except DatabaseError:
        raise  # the console's own database: there is nothing to go on with
    except Exception:
        log.exception("%s could not be started; the next tick tries again", what)
        return 0


def _look(schedule: Schedule, database: Database, since: datetime) -> int:
    """One schedule on one database: of all times since then the last one may start, the others are told as missed."""
    at = now()
    times = standing.times_of(schedule)
    due = times.due(since, at)
    if not due or times.is_blacked_out(at):
        return 0
    *older, slot = due
    late = at - slot
    waits = late > ON_TIME and schedule.missed == Schedule.Missed.TELL
    if waits or late > ON_TIME + timedelta(minutes=schedule.late_minutes):
        return _tell(schedule, database, due, State.MISSED, "nothing could start it in time")
    if older:
        _tell(schedule, database, older, State.MISSED, f"it runs once, for {slot:%Y-%m-%d %H:%M} UTC")
    if _is_open(schedule, database):
        return _tell(schedule, database, [slot], State.SKIPPED, "the run before it was not over")
    return _begin(schedule, database, slot, late)


def _begin(schedule: Schedule, database: Database, slot: datetime, late: timedelta) -> int:
    key = (schedule.name, database.pk, slot)
    if time.monotonic() < _again.get(key, 0.0):
        return 0
    try:
        prepared = _prepared(schedule, database)
    except OpsError as error:
        if late <= ON_TIME:
            _again[key] = time.monotonic() + AGAIN_SECONDS
            return 0
        _again.pop(key, None)
        return _tell(schedule, database, [slot], State.REFUSED, f"{error.why} {error.next_step}".strip())
    _again.pop(key, None)
    reason = f"Schedule {schedule.name}, due at {slot:%Y-%m-%d %H:%M} UTC."
    try:
        with transaction.atomic():
            carried, why = _carried(schedule, prepared, slot)
            operation = operations.submit(prepared, reason=f"{reason} {why}".strip(), carried=carried)
            _keep(schedule, database, slot, State.STARTED, operation=operation)
    except IntegrityError:
        if not ScheduleSlot.objects.filter(schedule=schedule.name, database=database, slot=slot).exists():
            raise
        return 0  # another ticker was faster
    return 1


def _prepared(schedule: Schedule, database: Database) -> operations.Prepared:
    """The plan of one run. Where nobody else is asked, the schedule stands for a typed name: of those databases only
    that it named when it was confirmed, not of one that came to match it since.
    """
    named = schedule.changed_by is not None and database.pk in schedule.changed_by.plan.evidence["databases"]
    try:
        return operations.prepare(
            schedule.kind, database, schedule.parameters, account=_asker(schedule, database),
            confirm=database.name if named else "",
        )  # fmt: skip
    except Refused as error:
        if error.code != "confirmation_needed":
            raise
        raise Refused(
            "not_confirmed",
            f"{kinds.get(schedule.kind).label} changes {database.name}, which came to match after the schedule was "
            "confirmed, and nobody else would be asked.",
            "Set the schedule anew; whoever confirms it then sees this database.",
        ) from None


def _carried(
    schedule: Schedule, prepared: operations.Prepared, slot: datetime
) -> tuple[operations.Carried | None, str]:
    """Whether the schedule's standing approval carries the run, and if not, why it waits for people."""
    at = now()
    standing_approval = approvals.standing_of(schedule, at=at)
    if not prepared.requirement.gated or standing_approval is None:
        return None, ""
    tally = approvals.standing_tally(standing_approval, prepared.plan, prepared.requirement, at=at)
    if not tally.satisfied:
        return None, f"Its standing approval does not carry it: {'; '.join(tally.missing).rstrip('.')}."
    return operations.Carried(standing=standing_approval, votes=tally.votes, slot=slot), ""


def _asker(schedule: Schedule, database: Database) -> Account | None:
    """Whoever asked for the schedule, while they may; without them only what reads goes on.

    What changes a database is asked for in that person's name, so that nobody approves their own request.
    """
    asker = schedule.changed_by.requester if schedule.changed_by else None
    reads = not kinds.get(schedule.kind).mutates
    if asker is not None and reads and not (asker.is_active and can(asker, "request", database)):
        return None
    return asker


def _is_open(schedule: Schedule, database: Database) -> bool:
    slots = ScheduleSlot.objects.filter(schedule=schedule.name, database=database)
    return Operation.objects.filter(slots__in=slots, state__in=OPEN).exists()


def _tell(schedule: Schedule, database: Database, slots: Iterable[datetime], state: str, why: str) -> int:
    for slot in slots:
        words = f"{schedule.title}, due at {slot:%Y-%m-%d %H:%M} UTC: {why.rstrip('.')}."
        try:
            with transaction.atomic():
                _keep(schedule, database, slot, state, why=words)
        except IntegrityError:
            continue
    return 0


def _keep(
    schedule: Schedule,
    database: Database,
    slot: datetime,
    state: str,
    *,
    operation: Operation | None = None,
    why: str = "",
) -> None:
    ScheduleSlot.objects.create(
        schedule=schedule.name, version=schedule.version, database=database, slot=slot, state=state,
        operation=operation, why=why, at=now(),
    )  # fmt: skip
    if state != State.STARTED:
        told = {"schedule": schedule.name, "version": schedule.version, "slot": slot.isoformat(), "why": why}
        audit.record(f"schedule.{state}", database=database, subject=schedule.name, outcome="failed", data=told)
