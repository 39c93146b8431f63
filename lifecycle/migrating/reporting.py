"""What is said of a run of migrations: sentences and the data of its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lifecycle.loss.values import grouped
from lifecycle.migrating.ledgers import Given
from lifecycle.migrating.watching import Look, Rules
from lifecycle.models import Backup
from lifecycle.sources.acts import Unit
from lifecycle.sources.base import Ledger
from opsconsole.engines.scripting import ScriptFailed
from opsconsole.plans import Plan

_DONE = {
    "up": ("Applied", "applied to"),
    "down": ("Taken back", "taken back on"),
    "none": ("Marked", "marked as applied on"),
    "forget": ("Marked", "marked as not applied on"),
}


def names(plan: Plan) -> dict[str, str]:
    """What people call each migration of a plan, by its key."""
    return {each["key"]: each["name"] for each in plan.parameters["migrations"]}


def stands(given: Given, done: int) -> str:
    """`Applied 2 of 3, up to 0002_x.`"""
    total = len(given.units)
    word = _DONE[given.units[0].direction][0] if given.units else "Applied"
    if done == 0:
        return f"{word} 0 of {total}."
    return f"{word} {done} of {total}, up to {given.units[done - 1].migrations[-1]}."


def refused(unit: Unit, error: ScriptFailed) -> str:
    """Which migration the database refused, where, and its own words."""
    where = f", line {error.line}" if error.line else ""
    code = f" ({error.code})" if error.code and not error.code.islower() else ""
    return f"{unit.title} failed{where}: {error.why.rstrip('.')}{code}."


def left(unit: Unit, ledger: Ledger) -> str:
    """What a unit left that is not all or nothing, as far as its ledger tells."""
    half = [row.key for row in ledger.rows if row.failed and row.key in unit.migrations]
    if half:
        return f"Its ledger {ledger.table} marks it as failed, as the tool itself would; part of it may be in effect."
    return "It is not one transaction: what ran before that statement stays, and the ledger does not have it."


def next_after(plan: Plan, safety: Backup | None) -> str:
    """What to do after a run that stopped."""
    name = plan.target().database
    doctor = f"See what is half done: `manage.py operate doctor {name}`. Mend the file, then ask again"
    return (
        f"{doctor}; or restore safety backup {safety.pk}, which holds what was there before."
        if safety
        else f"{doctor}."
    )


def alerts_of(unit: Unit, look: Look, rules: Rules) -> list[str]:
    """Tables that became smaller and are guarded, or of which nobody had announced it."""
    found = []
    for loss in look.shrunk:
        announced, guarded = rules.allow(loss), rules.is_guarded(loss.table)
        if announced and not guarded:
            continue
        what = "is gone" if loss.gone else f"has {grouped(loss.after)} rows instead of {grouped(loss.before)}"
        why = "it is a guarded table" if guarded else "the plan did not announce it"
        others = "" if loss.ours else "; other sessions wrote at the same time and may have taken them"
        found.append(f"{loss.table} {what} after {unit.title.lower()}: {why}{others}.")
    return found


def invalid(index: str, table: str) -> str:
    """An index that is there and is not used, and what to do."""
    return (
        f"The index {index} of {table} is invalid: it was not built to its end. Drop it "
        f"(DROP INDEX CONCURRENTLY {index}) and build it again."
    )


def data(
    plan: Plan,
    given: Given,
    done: int,
    *,
    safety: Backup | None,
    alerts: Sequence[str],
    rows: Mapping[str, Sequence[int | None]],
) -> dict[str, Any]:
    """The result as JSON. `tables` are rows before and after, where somebody counted."""
    called = names(plan)
    of_units = [[called[key] for key in unit.migrations] for unit in given.units]
    return {
        "tool": given.tool,
        "applied": done,
        "of": len(given.units),
        "migrations": [name for unit in of_units[:done] for name in unit],
        "not_done": [name for unit in of_units[done:] for name in unit],
        "tables": {table: list(numbers) for table, numbers in rows.items()},
        "alerts": list(alerts),
        "safety_backup": safety.pk if safety else None,
    }


def summary(plan: Plan, given: Given, alerts: Sequence[str]) -> str:
    """What is true after all of it."""
    called = list(names(plan).values())
    several = len(called) != 1
    what = f"{len(called)} migrations are" if several else f"Migration {called[0]} is"
    done = _DONE[given.units[0].direction if given.units else "up"][1]
    said = f"{what} {done} {plan.target().database}."
    return f"{said} {len(alerts)} alert{'s' * (len(alerts) != 1)}: {' '.join(alerts)}" if alerts else said
