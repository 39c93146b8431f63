"""What backups say about how a database stands: the age of the newest good one against its target, and damage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max

from lifecycle.models import Backup
from opsconsole.clock import now
from opsconsole.models import Database
from opsconsole.posture import Level, Line

TARGET_AGE = timedelta(hours=24)  # how old the newest good backup of a protected database may be
TARGET_AGE_OTHERS = timedelta(days=7)


def read(databases: Sequence[Database]) -> dict[int, list[Line]]:
    """One line a database, and one more where a backup newer than the last good one is damaged."""
    good, bad = _newest(databases, Backup.State.GOOD), _newest(databases, Backup.State.BAD)
    at = now()
    lines = {database.pk: [_age(database, good.get(database.pk), at)] for database in databases}
    for database in databases:
        damaged = bad.get(database.pk)
        if damaged is not None and damaged > good.get(database.pk, datetime.min.replace(tzinfo=damaged.tzinfo)):
            lines[database.pk].append(
                Line(
                    topic="backup",
                    level=Level.BAD,
                    sentence="Its newest backup is damaged.",
                    at=damaged,
                    **_link(database),
                )
            )
    return lines


def target_age(database: Database) -> timedelta:
    """How old its newest good backup may become before somebody should look."""
    return TARGET_AGE if database.environment.protected else TARGET_AGE_OTHERS


def _age(database: Database, newest: datetime | None, at: datetime) -> Line:
    allowed = target_age(database)
    if newest is None:
        level = Level.BAD if database.environment.protected else Level.WATCH
        sentence = "There is no good backup of it, so nothing could bring its data back."
        return Line(topic="backup", level=level, sentence=sentence, **_link(database))
    if at - newest > allowed:
        sentence = f"Its newest good backup is older than the {_span(allowed)} it should be at most."
        return Line(topic="backup", level=Level.WATCH, sentence=sentence, at=newest, **_link(database))
    return Line(topic="backup", level=Level.GOOD, sentence="It has a good backup that is young enough.", at=newest)


def _newest(databases: Sequence[Database], state: str) -> dict[int, datetime]:
    rows = Backup.objects.filter(database__in=databases, state=state)
    return dict(rows.order_by().values_list("database").annotate(newest=Max("started_at")))


def _link(database: Database) -> dict[str, Any]:
    return {"link": f"/databases/{database.name}/backups/", "link_text": "Look at its backups"}


def _span(length: timedelta) -> str:
    days = length.days
    return f"{days} days" if days > 1 else "24 hours"
