"""Units as people read them: their exact bytes as steps of the plan, and how they run in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lifecycle.migrating.findings import Reviewed
from lifecycle.migrating.rehearsals import digest_of_units
from lifecycle.sources.acts import Act, Hex, Measured, Unit, unit_from
from opsconsole.plans import Plan, Step


def detail(unit: Unit, names: Mapping[str, str], found: Sequence[Reviewed]) -> str:
    """How it runs: in which transaction, and what the ledger gets."""
    several = f"{', '.join(names[key] for key in unit.migrations)}: all in one transaction" if _many(unit) else ""
    shape = (
        "One transaction with the ledger's row: all or nothing"
        if unit.atomic
        else "Not all or nothing: a failure leaves"
    )
    if not unit.atomic:
        shape += " what ran before it, as with the tool itself"
    return f"{several or shape}."


def steps(plan: Plan) -> tuple[Step, ...]:
    """The plan's steps, with the exact SQL of its units."""
    texts = {digest_of_units([unit]): text(unit) for unit in map(unit_from, plan.parameters["units"])}
    return tuple(replace(step, sql=texts.get(step.artifact, "")) for step in plan.steps)


def text(unit: Unit) -> str:
    """Every act in order: texts as they are, statements on the ledger with their values in words."""
    parts = [act_text(act) for phase in (*unit.always, *unit.phases) for act in phase.acts]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def act_text(act: Act) -> str:
    """One act: a text as it is, or a statement on the ledger with its values behind it."""
    if act.script or not act.values:
        return act.sql if act.script or act.sql.rstrip().endswith(";") else f"{act.sql};"
    return f"{act.sql};  -- {', '.join(_value(value) for value in act.values)}"


def _value(value: object) -> str:
    if isinstance(value, Measured):
        return f"({value.value})"
    return f"0x{value.digits}" if isinstance(value, Hex) else repr(value)


def _many(unit: Unit) -> bool:
    return len(unit.migrations) > 1
