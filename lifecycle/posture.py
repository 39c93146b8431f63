"""What backups and kept copies say about how a database stands: age against its target, damage, what can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max

from lifecycle import kept, offers
from lifecycle.models import Backup, KeptCopy
from opsconsole.clock import now
from opsconsole.models import Database
from opsconsole.posture import Level, Line
from opsconsole.templatetags.console import clock

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


def read_kept(databases: Sequence[Database]) -> dict[int, list[Line]]:
    """What of each database can be undone now, and what could not be dropped in time."""
    rows = kept.copies().filter(
        state=KeptCopy.State.KEPT, database__identity__in={database.identity for database in databases} - {""}
    )
    found: dict[str, list[KeptCopy]] = {}
    for row in rows:
        found.setdefault(row.database.identity, []).append(row)
    live, at = kept.live_contents(found), now()
    return {
        database.pk: _kept_lines(database, found[database.identity], live[database.identity], at)
        for database in databases
        if database.identity in found
    }


def _kept_lines(database: Database, rows: Sequence[KeptCopy], live: int, at: datetime) -> list[Line]:
    lines = []
    undoable = [row for row in rows if row.made == live and row.expires_at > at]
    for row in undoable[:1]:
        link = f"/databases/{database.name}/request/undo/?operation={row.operation_id}"
        what = f"{row.operation.kind} {row.operation_id}"
        sentence = f"Its {what} can be undone until {clock(row.expires_at)}: what was replaced is {offers.where(row)}."
        lines.append(Line(topic="undo", level=Level.GOOD, sentence=sentence, link=link, link_text=f"Undo {what}"))
    for row in rows:
        if row.problem:
            sentence = (
                f"The database {row.name}, kept until {clock(row.expires_at)}, could not be dropped: {row.problem}"
            )
            lines.append(Line(topic="kept", level=Level.WATCH, sentence=sentence, at=row.tried_at, **_link(database)))
    return lines
