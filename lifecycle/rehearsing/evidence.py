"""What rehearsals say to plans of migrations, and what policies demand of them."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from lifecycle.loss.values import grouped
from lifecycle.migrating.rehearsals import Rehearsed
from lifecycle.models import Rehearsal
from lifecycle.rehearsing import judging, keeping
from lifecycle.rehearsing.trying import Report
from opsconsole.clock import now
from opsconsole.models import Database
from opsconsole.plans import Demand, Plan

Problem = tuple[str, str, str]
MOST_DIFFERENCES = 3


def find(database: Database, units_digest: str) -> Rehearsed | None:
    """The newest rehearsal of these units, as a plan tells of it."""
    row = keeping.newest(database, units_digest)
    if row is None:
        return None
    report = keeping.report_of(row)
    return Rehearsed(
        operation=row.pk,
        at=row.rehearsed_at,
        verdict=row.verdict,
        held=row.held,
        tables={
            table.was or table.name: (table.before, table.after)
            for table in report.recording.tables
            if not table.ledger
        },
        wrote=_wrote(report),
        facts=_facts(row, report),
    )


def _wrote(report: Report) -> dict[tuple[str, int], int]:
    """Rows that statements wrote, of those that stand alone on their line."""
    lines = Counter((each.migration, each.line) for each in report.recording.statements)
    return {
        (each.migration, each.line): each.rows
        for each in report.recording.statements
        if each.rows is not None and lines[each.migration, each.line] == 1
    }


def problems(plan: Plan, demand: Demand) -> list[Problem]:
    """What the rehearsal that a plan tells of lacks of what policies demand: (code, why, next step)."""
    if not demand.words:
        return []
    number = int(plan.parameters.get("rehearsal") or 0)
    row = Rehearsal.objects.filter(pk=number).select_related("database", "backup").first() if number else None
    name, how = plan.target().database, " --set mode=back" if plan.kind == "rollback" else ""
    step = f"Rehearse it (`operate rehearse {name}{how}` with the same folder), then plan again."
    if row is None:
        return [("not_rehearsed", f"In this place {demand.words}, and exactly this was not rehearsed.", step)]
    found = list(_of_age(row, demand, step))
    schema = next((each.value for each in plan.preconditions if each.probe == "schema"), "")
    if row.schema_fingerprint != schema:
        found.append(("other_schema", f"The schema has changed since rehearsal {row.pk}.", step))
    if keeping.report_of(row).recording.failure is not None:
        found.append(("rehearsal_failed", f"In rehearsal {row.pk} it failed. {row.verdict}", "Mend the migration."))
    return found


def origin_words(row: Rehearsal) -> str:
    """Of what the copy was made."""
    if row.backup is not None:
        return f"backup {row.backup_id}, taken {row.backup.started_at:%Y-%m-%d %H:%M} UTC"
    return f"the live database as of {row.data_at:%Y-%m-%d %H:%M} UTC" if row.data_at else "nothing: an empty database"


def _of_age(row: Rehearsal, demand: Demand, step: str) -> list[Problem]:
    found = []
    if demand.rehearsal_hours and _hours_since(row.rehearsed_at) > demand.rehearsal_hours:
        age, most = _age(row.rehearsed_at), demand.rehearsal_hours
        why = f"Rehearsal {row.pk} is {age} old, and policies demand at most {most} h."
        found.append(("rehearsal_old", why, step))
    if demand.rehearsal_data_hours and row.data_at and _hours_since(row.data_at) > demand.rehearsal_data_hours:
        why = (
            f"Rehearsal {row.pk} was made on data that are {_age(row.data_at)} old, and policies demand at most "
            f"{demand.rehearsal_data_hours} h."
        )
        found.append(("rehearsal_data_old", why, f"Take a fresh backup. {step}"))
    return found


def _facts(row: Rehearsal, report: Report) -> dict[str, Any]:
    recording = report.recording
    facts: dict[str, Any] = {"made on": origin_words(row)}
    if longest := recording.longest_lock:
        meaning = judging.LOCKS.get(longest.lock, longest.lock)
        facts["longest lock"] = f"{longest.name}, {grouped(longest.lock_ms)} ms: {meaning}"
    facts["tables proven untouched"] = f"{recording.untouched} of {len(recording.tables)}"
    if recording.back is not None:
        told = "; ".join(recording.back.differences[:MOST_DIFFERENCES])
        facts["way back"] = "tried, and it leads back" if recording.back.leads_back else f"does not lead back: {told}"
    if report.differences:
        facts["SQLite and D1 differ"] = "; ".join(report.differences[:MOST_DIFFERENCES])
    return facts


def _hours_since(at: datetime) -> float:
    return (now() - at).total_seconds() / 3600


def _age(at: datetime) -> str:
    hours = _hours_since(at)
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
