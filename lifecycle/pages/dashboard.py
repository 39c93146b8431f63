"""The dashboard's panel of backups: how large the newest ones are and how long they took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest

from lifecycle.models import Backup
from opsconsole.dashboard import Chart, Column, Panel
from opsconsole.models import Database
from opsconsole.templatetags.console import duration, size

NEWEST = 30


def newest_backups(request: HttpRequest, databases: Sequence[Database]) -> dict[str, Any] | None:
    """The newest backups, the oldest of them on the left; None while there is none."""
    rows = list(Backup.objects.filter(database__in=databases).select_related("database")[:NEWEST])[::-1]
    if not rows:
        return None
    last = rows[-1]
    took = duration(last.finished_at - last.started_at)
    return {
        "chart": Chart("The newest backups", tuple(_column(row) for row in rows)),
        "note": f"The last one, of {last.database.name}, is {size(last.stored_bytes)} and took {took}.",
    }


def _column(row: Backup) -> Column:
    took = duration(row.finished_at - row.started_at)
    return Column(
        label=f"{row.started_at:%d %B %H:%M}",
        parts=(("red" if row.state == Backup.State.BAD else "green" if row.is_present else "grey", row.stored_bytes),),
        words=f"{row.database.name}, {size(row.stored_bytes)} in {took}",
        link=row.get_absolute_url(),
    )


PANEL = Panel(
    name="backups",
    title="Size of the newest backups",
    order=20,
    template="console/dashboard/chart.html",
    content=newest_backups,
)
