"""What a restore of data would cost, told like the loss preview of a whole restore: per table, and in one number."""

from __future__ import annotations

from dataclasses import replace

from lifecycle.loading import MERGE, Covered, Survey
from lifecycle.loss import LossPreview, TableLoss
from lifecycle.loss.values import biggest_first
from opsconsole.plans import Effect


def preview(survey: Survey, name: str) -> LossPreview:
    """What would be lost if the document (`name` in words) were loaded as surveyed."""
    tables = [_merged(table) if survey.mode == MERGE else _replaced(table) for table in survey.tables]
    cleared = [_cleared(item.table, item.live) for item in survey.uncovered if item.cleared]
    return LossPreview(tables=biggest_first([*tables, *cleared]), other=name)


def effects(survey: Survey, found: LossPreview) -> tuple[Effect, ...]:
    """One a table, what is not touched included."""
    covered = {table.table: table for table in survey.tables}
    touched = [_told(effect, covered.get(effect.object), survey.mode) for effect in found.effects()]
    kept = [
        Effect(
            object=item.table, action="kept", rows_before=item.live, rows_after=item.live, lost=0, changed=0,
            note="the document does not hold it",
        )
        for item in survey.uncovered
        if not item.cleared
    ]  # fmt: skip
    return (*touched, *kept)


def _replaced(table: Covered) -> TableLoss:
    """All of its rows go; how many of them are in the document as well is told by counts alone."""
    known = not table.live or not table.rows
    return TableLoss(
        table=table.table,
        rows_live=table.live,
        rows_other=table.rows,
        only_live=table.live if known else max(0, table.live - table.rows),
        changed=0 if known else None,
        only_other=table.rows if known else None,
        exact=known,
    )


def _merged(table: Covered) -> TableLoss:
    """No row goes; those with a key of the document take its values."""
    most = min(table.live, table.rows)
    return TableLoss(
        table=table.table,
        rows_live=table.live,
        rows_other=table.live + table.rows if not most else None,
        only_live=0,
        changed=0 if not most else None,
        only_other=table.rows if not most else None,
        exact=not most,
    )


def _cleared(name: str, live: int) -> TableLoss:
    return TableLoss(table=name, rows_live=live, rows_other=0, only_live=live, changed=0, only_other=0)


def _told(effect: Effect, table: Covered | None, mode: str) -> Effect:
    """The effect with what people should know of the table's columns and triggers."""
    if table is None:
        return replace(effect, note="it refers to rows that are replaced, so it is emptied as well")
    said = [effect.note] if effect.note else []
    if mode == MERGE and table.key:
        said.append(f"inserted, or updated by {', '.join(table.key)}")
    if table.partnerless:
        said.append(f"left out, for lack of a column: {', '.join(table.partnerless)}")
    if table.defaults:
        said.append(f"not in the document, so they get their default: {', '.join(table.defaults)}")
    if table.triggers:
        said.append(f"triggers fire: {', '.join(table.triggers)}")
    action = "changed" if mode == MERGE else "replaced"
    return replace(effect, action=action, note="; ".join(said))
