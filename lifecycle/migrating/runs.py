"""The rows of what migrations did (`MigrationRun`): written before a unit begins, and when it ended, however it did."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from lifecycle.migrating.differences import Change
from lifecycle.models import MigrationRun
from lifecycle.sources.acts import Unit
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.models import Database
from opsconsole.plans import Plan

State = MigrationRun.State
MOST_CHANGES = 100  # of the schema, kept of one unit
SHOWN = 400  # characters of a definition in them


@dataclass(frozen=True, kw_only=True)
class Told:
    """How a unit ended."""

    state: MigrationRun.State
    seconds: float | None = None
    rows: Mapping[str, Sequence[int | None]] | None = None
    schema_after: str = ""
    changes: Sequence[Change] = ()
    error: str = ""


@transaction.atomic
def begin(operation_id: int, plan: Plan, unit: Unit, *, schema_before: str) -> datetime:
    """Note that a unit is about to run. Gives back when."""
    at, known = now(), {each["key"]: each for each in plan.parameters["migrations"]}
    for key in unit.migrations:
        MigrationRun.objects.update_or_create(
            operation_id=operation_id,
            key=key,
            defaults={
                "database": Database.objects.get(pk=plan.target().database_id),
                "tool": plan.parameters["tool"],
                "direction": unit.direction,
                "name": known[key]["name"],
                "sha256": known[key]["sha256"],
                "text_sha256": _digest_of(unit, key),
                "state": State.RUNNING,
                "began_at": at,
                "schema_before": schema_before,
            },
        )
    return at


@transaction.atomic
def end(operation_id: int, unit: Unit, told: Told) -> None:
    """Note how a unit ended."""
    values: dict[str, Any] = {"finished_at": now(), "error": told.error}
    if told.seconds is not None:
        values["seconds"] = told.seconds
    if told.rows is not None:
        values["rows"] = {table: list(numbers) for table, numbers in told.rows.items()}
    if told.schema_after:
        values["schema_after"] = told.schema_after
        values["changes"] = [asdict(change.cut(SHOWN)) for change in told.changes[:MOST_CHANGES]]
        values["changed"] = len(told.changes)
    rows = MigrationRun.objects.filter(operation_id=operation_id, key__in=unit.migrations)
    for row in rows.exclude(state=told.state).select_related("database", "operation").order_by("pk"):
        _move(row, told.state, values)


def alert(operation_id: int, unit: Unit, text: str) -> None:
    """Record what somebody should look at."""
    row = MigrationRun.objects.filter(operation_id=operation_id, key__in=unit.migrations).order_by("-pk").first()
    if row is not None:
        subject, data = f"migration {row.name}", {"tool": row.tool}
        audit.record(
            "migration.alert", operation=row.operation, database=row.database, subject=subject, reason=text, data=data
        )


def settle(operation_id: int, plan: Plan, units: Sequence[Unit], landed: int) -> None:
    """Bring the rows of a lost run into line with what the ledger says: the first `landed` units are done."""
    for number, unit in enumerate(units):
        rows = MigrationRun.objects.filter(operation_id=operation_id, key__in=unit.migrations)
        if number < landed:
            if rows.count() < len(unit.migrations):
                begin(operation_id, plan, unit, schema_before="")
            if rows.exclude(state=State.DONE).exists():
                end(operation_id, unit, Told(state=State.DONE))
        elif rows.filter(state=State.RUNNING).exists():
            end(operation_id, unit, Told(state=State.LOST, error="Its worker was lost."))


@transaction.atomic
def abandon(operation_id: int) -> None:
    """Whatever was begun and never ended is lost."""
    rows = MigrationRun.objects.filter(operation_id=operation_id, state=State.RUNNING)
    for row in rows.select_related("database", "operation").order_by("pk"):
        _move(row, State.LOST, {"finished_at": now(), "error": "It was not finished."})


def _move(row: MigrationRun, state: MigrationRun.State, values: Mapping[str, Any]) -> None:
    """Write the state and its event."""
    MigrationRun.objects.filter(pk=row.pk).update(state=state, **values)
    how = "taken_back" if state == State.DONE and row.direction == "down" else str(state)
    facts = {"tool": row.tool, "key": row.key, "how": how, "file_digest": row.sha256, "text_digest": row.text_sha256}
    audit.record(
        "migration.ended",
        operation=row.operation,
        database=row.database,
        subject=f"migration {row.name}",
        outcome="ok" if state == State.DONE else "failed",
        reason=str(values.get("error", "")),
        data=facts | {"seconds": round(values.get("seconds") or 0)},
    )


def _digest_of(unit: Unit, key: str) -> str:
    texts = hashlib.sha256()
    for act in unit.scripts:
        if act.migration == key:
            texts.update(act.sql.encode())
    return texts.hexdigest()
