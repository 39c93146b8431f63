"""What looks at the health of databases say about how they stand."""

from __future__ import annotations

from collections.abc import Sequence

from integrity.health.keeping import is_stale
from integrity.models import HealthWatch
from opsconsole.clock import now
from opsconsole.models import Database
from opsconsole.posture import Level, Line


def read(databases: Sequence[Database]) -> dict[int, list[Line]]:
    """One line for every database that somebody ever looked at."""
    named = {database.pk: database for database in databases}
    rows = HealthWatch.objects.filter(database__in=databases).exclude(sampled_at=None)
    at = now()
    return {row.pk: [_stale(row) if is_stale(row, at) else _line(row, named[row.pk])] for row in rows}


def _line(row: HealthWatch, database: Database) -> Line:
    if row.healthy:
        took = row.told.get("figures", {}).get("latency_ms", 0)
        return Line(
            topic="health", level=Level.GOOD, sentence=f"It is healthy: it answered in {took:g} ms.", at=row.sampled_at
        )
    return Line(
        topic="health", level=Level.BAD, sentence=f"It turned unhealthy: {row.why.rstrip('.')}.", at=row.since,
        link=f"{database.get_absolute_url()}#health", link_text="See its health",
    )  # fmt: skip


def _stale(row: HealthWatch) -> Line:
    sentence = "Nobody has looked at its health for too long; it was last looked at"
    return Line(topic="health", level=Level.UNKNOWN, sentence=sentence, at=row.sampled_at)
