"""Whether more would be lost by now than was approved, table by table and in all. What cannot be told is too much."""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.loss.values import LossPreview, TableLoss, grouped
from opsconsole.exceptions import Moved
from opsconsole.plans import Effect, Growth, Plan

NOTHING = Effect(object="", action="", lost=0, changed=0)


def moved(plan: Plan, preview: LossPreview, growth: Growth) -> list[Moved]:
    """What goes beyond the allowed growth, in sentences."""
    approved = {effect.object: effect for effect in plan.effects}
    found = [each for table in preview.tables for each in _of_table(table, approved.get(table.table, NOTHING), growth)]
    return found or list(_in_all(plan, preview, growth))


def _of_table(table: TableLoss, approved: Effect, growth: Growth) -> Iterator[Moved]:
    told = approved.lost is not None and (approved.changed is not None or approved.exact)  # exact without a key, too
    if _unknown(table) and told:
        yield Moved(
            f"the loss of {table.table}", "compared", "not comparable",
            said=f"what you would lose of {table.noun} cannot be told any more ({table.note or 'it was not compared'})",
        )  # fmt: skip
        return
    for verb, noun, before, now in (
        ("lose", table.noun, approved.lost or 0, table.only_live or 0),
        ("set back", f"changed {table.noun}", approved.changed or 0, table.changed or 0),
    ):
        if not growth.allows(before, now):
            yield _more(verb, noun, before, now)


def _in_all(plan: Plan, preview: LossPreview, growth: Growth) -> Iterator[Moved]:
    lost, changed = (sum(getattr(effect, name) or 0 for effect in plan.effects) for name in ("lost", "changed"))
    if not growth.allows(lost, preview.lost):
        yield _more("lose", "rows in all", lost, preview.lost)
    if not growth.allows(changed, preview.changed):
        yield _more("set back", "changed rows in all", changed, preview.changed)


def _unknown(table: TableLoss) -> bool:
    """Whether less is known than that a table without a key can tell."""
    return table.only_live is None or (table.changed is None and not table.exact)


def _more(verb: str, noun: str, before: int, now: int) -> Moved:
    return Moved(
        f"what you would {verb} of {noun}", grouped(before), grouped(now),
        said=f"you would now {verb} {grouped(now)} {noun}, {grouped(before)} when it was approved",
    )  # fmt: skip
