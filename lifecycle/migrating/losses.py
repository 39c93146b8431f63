"""Whether more rows would be lost by now than was approved."""

from __future__ import annotations

from lifecycle.loss.values import grouped
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Moved
from opsconsole.plans import Growth, Plan


def moved(plan: Plan, engine: Engine, growth: Growth) -> list[Moved]:
    """Tables of which every row would go, counted again. Raises TargetProblem."""
    rows = {table.full_name: table.rows for table in engine.tables(exact=True)}
    found = []
    for effect in plan.effects:
        now = rows.get(effect.object) or 0
        whole = effect.lost and effect.lost == effect.rows_before
        if whole and not growth.allows(effect.lost or 0, now):
            approved = grouped(effect.lost or 0)
            said = f"{grouped(now)} rows of {effect.object} would be lost now, and {approved} were approved"
            found.append(Moved(f"the rows of {effect.object}", str(effect.lost), str(now), said=said))
    return found
