"""What looks saw, kept: the series, the newest look, and an event when a database turns unhealthy or healthy again."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.db.models.functions import TruncHour

from integrity.health.looking import Look, look_at
from integrity.models import HealthSample, HealthWatch
from opsconsole import audit, kinds
from opsconsole.clock import now
from opsconsole.models import Database, OperationTarget

RAW = timedelta(days=2)  # for so long every sample is kept,
HOURLY = timedelta(days=30)  # and for so long the last healthy and the last unhealthy one of each hour
STALE_LOOKS = 4  # after so many intervals without a sample nobody knows any more how a database is
LONGEST_LOOK = timedelta(seconds=60)
PAUSES = 10  # a look is followed by a pause of so many times its own length, if that is longer than the interval
SHARED = "shared"


def take(database: Database) -> HealthWatch:
    """Look at the database now, and keep it. A look that takes long is taken less often: it may be why."""
    began = time.monotonic()
    row = keep(database, look_at(database))
    rest = (time.monotonic() - began) * PAUSES - settings.HEALTH_SECONDS
    if rest > 0 and row.sampled_at is not None:
        HealthWatch.objects.filter(database=database).update(claimed_at=row.sampled_at + timedelta(seconds=rest))
    return row


@transaction.atomic
def keep(database: Database, look: Look) -> HealthWatch:
    """A sample, and the newest look unless a newer one is there; with an event when the state turned."""
    told = look.to_json()
    HealthSample.objects.create(
        database=database, at=look.at, healthy=look.healthy, figures=dict(look.figures), checks=look.checks,
        problem=look.problem,
    )  # fmt: skip
    HealthWatch.objects.get_or_create(database=database)
    row = HealthWatch.objects.select_for_update(of=("self",)).get(database=database)
    if row.sampled_at is not None and row.sampled_at >= look.at:
        return row
    turned = row.healthy is not look.healthy
    if turned and not (row.healthy is None and look.healthy):
        _tell(database, look)
    row.sampled_at, row.healthy, row.why, row.told = look.at, look.healthy, look.why, told
    row.since = look.at if turned else row.since
    row.save(update_fields=["sampled_at", "healthy", "why", "told", "since"])
    return row


def claim(database: Database, *, unless_since: datetime) -> bool:
    """Take the turn to look at it; false when somebody began to after that moment."""
    HealthWatch.objects.bulk_create([HealthWatch(database=database)], ignore_conflicts=True)
    free = Q(claimed_at=None) | Q(claimed_at__lte=unless_since)
    return HealthWatch.objects.filter(free, database=database).update(claimed_at=now()) == 1


def standing(database: Database) -> HealthWatch | None:
    """The newest look, if there ever was one."""
    return HealthWatch.objects.filter(database=database).exclude(sampled_at=None).first()


def is_stale(row: HealthWatch, at: datetime) -> bool:
    """Whether the newest look is so old that it says nothing about today."""
    every = timedelta(seconds=settings.HEALTH_SECONDS)
    return row.sampled_at is None or at - row.sampled_at > STALE_LOOKS * every + LONGEST_LOOK


def changing() -> QuerySet[OperationTarget]:
    """Databases that an operation is working on which may change them: nobody looks meanwhile.

    A restore ends every session in the database, and would be held up by ours.
    """
    names = [kind.name for kind in kinds.every() if kind.mutates]
    return OperationTarget.objects.filter(active=True, operation__kind__in=names).exclude(role=SHARED)


def thin() -> int:
    """Remove samples that are older than what is kept; gives back how many."""
    at = now()
    gone = HealthSample.objects.filter(at__lt=at - HOURLY).delete()[0]
    raw = HealthSample.objects.filter(at__lt=at - RAW)
    hours = raw.annotate(hour=TruncHour("at")).order_by().values("database", "hour", "healthy")
    kept = hours.annotate(last=Max("pk")).values_list("last", flat=True)
    return gone + raw.exclude(pk__in=kept).delete()[0]


def _tell(database: Database, look: Look) -> None:
    broken = [each.name for each in look.counted if each.spoils]
    to = "healthy" if look.healthy else "unhealthy"
    off = ", ".join(each.name for each in look.counted if each.off)
    again = f"healthy again, with {off} not counted: switched off" if off else "healthy again"
    subject = again if look.healthy else f"unhealthy: {look.code or ', '.join(broken)}"
    audit.record(
        "health.changed", outcome="ok" if look.healthy else "failed", database=database, subject=subject,
        data={"to": to, "class": look.code, "broken": broken},
    )  # fmt: skip
