"""What a restore of data does to each table, told like the effects of a whole restore."""

from __future__ import annotations

from dataclasses import replace

from lifecycle.loading import MERGE, Covered, Ledger, Survey
from lifecycle.loss import LossPreview
from opsconsole.plans import Effect

KEPT = "kept"


def told(survey: Survey, found: LossPreview) -> tuple[Effect, ...]:
    """One a table, what is not touched included."""
    covered = {table.table: table for table in survey.tables}
    touched = [_told(effect, covered.get(effect.object), survey.mode) for effect in found.effects()]
    kept = [
        Effect(
            object=item.table, action=KEPT, rows_before=item.live, rows_after=item.live, lost=0, changed=0,
            note=_why_kept(survey.kept_ledgers.get(item.table)),
        )
        for item in survey.uncovered
        if not item.cleared
    ]  # fmt: skip
    return (*touched, *kept)


def _why_kept(ledger: Ledger | None) -> str:
    if ledger is None:
        return "the document does not hold it"
    left = "" if ledger.rows is None else f"; the document's {ledger.rows} rows of it are left out"
    return f"{ledger.words}, which goes with the schema{left}"


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
