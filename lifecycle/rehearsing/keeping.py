"""Rehearsals as they are kept: recorded once with their event, and found again by what exactly was tried."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from lifecycle.models import Backup, Rehearsal
from lifecycle.rehearsing.trying import Report, report_from
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.exceptions import FenceLost
from opsconsole.kinds import Run
from opsconsole.models import Database, Operation
from opsconsole.plans import canonical_json, digest_of
from opsconsole.states import HELD_BY_WORKER


@transaction.atomic
def record(run: Run, report: Report, *, backup: Backup | None, data_at: datetime | None) -> Rehearsal:
    """Keep what was found, with its event. Raises FenceLost."""
    rows = Operation.objects.select_for_update(of=("self",))
    operation = rows.filter(pk=run.operation_id, fence=run.fence, state__in=HELD_BY_WORKER).first()
    if operation is None:
        raise FenceLost("fence_lost", f"Operation {run.operation_id} is no longer held under fence {run.fence}.")
    given, told = run.plan.parameters, report.to_json()
    row = Rehearsal.objects.create(
        operation=operation,
        database_id=run.plan.target("shared").database_id,
        mode=given["mode"],
        units_digest=given["units_digest"],
        backup=backup,
        data_at=data_at,
        schema_fingerprint=given["schema"],
        held=report.held,
        verdict=report.verdict,
        report=told,
        report_sha256=digest_of(canonical_json(told)),
        rehearsed_at=now(),
    )
    audit.record(
        "migration.rehearsed",
        operation=operation,
        database=row.database,
        subject=_outcome(report),
        data={
            "rehearsal": row.pk, "units": row.units_digest, "report": row.report_sha256, "held": row.held,
            "schema": row.schema_fingerprint, "mode": row.mode, "backup": backup.pk if backup else None,
            "data_at": data_at.isoformat() if data_at else "",
        },
    )  # fmt: skip
    return row


def _outcome(report: Report) -> str:
    """For the history, whose readers may see no data: the database's own words can quote values of rows."""
    told = report.fresh or report.recording
    if told.failure is not None:
        return "it failed"
    return "nothing failed, and nothing went that the SQL does not name" if report.held else "it did not hold"


def newest(database: Database, units_digest: str) -> Rehearsal | None:
    """The newest rehearsal of exactly these units on a copy of that database."""
    rows = Rehearsal.objects.filter(database=database, units_digest=units_digest).exclude(mode=Rehearsal.Mode.FRESH)
    return rows.select_related("database", "backup", "operation").first()


def report_of(rehearsal: Rehearsal) -> Report:
    """What was found, as values."""
    return report_from(rehearsal.report)
