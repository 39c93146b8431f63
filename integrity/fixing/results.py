"""How a fix ended: told by its run, or read in the target when the run was lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from integrity.fixing import comparing, keeping, parts, statements
from integrity.fixing.statements import Statement
from opsconsole.engines.base import Engine
from opsconsole.exceptions import OpsError
from opsconsole.kinds import Recovery, Result, Witness
from opsconsole.models import Database
from opsconsole.plans import Plan

AGAIN = "Check the database, and ask again for what is left."


def told(plan: Plan, operation_id: int, engine: Engine, database: Database, before: Sequence[int | None]) -> Result:
    """What was done, and what the findings have by now."""
    try:
        after = comparing.numbers(engine, database, plan)
    except OpsError:
        after = [None] * len(before)  # it is done; what is not known is not said
    tables: dict[str, int] = {}
    for part, count in zip(parts.outline(plan), parts.rows_of(plan), strict=True):
        tables[part.table] = tables.get(part.table, 0) + count
    rows, ran = sum(tables.values()), [each.words for each in statements.statements_of(plan)]
    said = [f"{rows} row{'s' * (rows != 1)} of {', '.join(tables)} {'was' if rows == 1 else 'were'} set right"]
    said = [*(said if rows else ()), *(f"done: {words}" for words in ran)]
    data = {"fix": operation_id, "rows": rows, "tables": tables, "statements": ran}
    findings = comparing.compared(plan, before, after)
    summary = "; ".join(said)
    return Result(summary=f"{summary[:1].upper()}{summary[1:]}. {_told(after)}", data={**data, "findings": findings})


def read(recovery: Recovery) -> tuple[Witness, Result | None]:
    """How far a lost run came. Raises TargetProblem."""
    if not recovery.witness:
        return Witness.NOT_DONE, None
    plan, stood = recovery.plan, recovery.witness
    engine, then = recovery.engines["target"], statements.statements_of(plan)
    rows, done, of = bool(plan.parameters.get("parts")), int(stood["done"]), int(stood["of"])
    if rows:
        landed = landed_of(recovery, stood["rows"])
        if landed is not Witness.DONE:
            return landed, None
        keeping.keep(recovery.operation_id)
        done = max(done, 1)
    database = Database.objects.get(pk=plan.target().database_id)
    begun = then[done - rows] if stood["begun"] and done < of and done >= rows and done == stood["done"] else None
    left = statements.left_by(engine, begun) if begun else []
    if begun and not left and _is_sound(engine, database, plan, begun):
        done += 1
    if done == of:
        counts = [int(each["count"]) for each in plan.parameters["findings"]]
        return Witness.DONE, told(plan, recovery.operation_id, engine, database, counts)
    if not done and not left:
        return Witness.NOT_DONE, None
    kept = f" {', '.join(left)} is left unfinished; asking again removes it." if left else ""
    data = {"done": done, "of": of, "code": "stopped_partway", "next": AGAIN}
    return Witness.PARTLY, Result(summary=f"Its worker was lost. {statements.stood(done, of)}{kept}", data=data)


def landed_of(recovery: Recovery, witness: Mapping[str, Any]) -> Witness:
    """On which side of its commit point a transaction of ours was lost; read in the target."""
    if not witness:
        return Witness.NOT_DONE
    landed = recovery.engines["target"].landed(witness)
    return {True: Witness.DONE, False: Witness.NOT_DONE, None: Witness.UNKNOWN}[landed]


def _is_sound(engine: Engine, database: Database, plan: Plan, statement: Statement) -> bool:
    """Whether what a statement is to set right is right by now."""
    mine = [each for each in plan.parameters["findings"] if _of(each) == (statement.check, statement.subject)]
    (number,) = comparing.numbers(engine, database, replace(plan, parameters={**plan.parameters, "findings": mine[:1]}))
    return number == 0


def _of(finding: Mapping[str, Any]) -> tuple[str, str]:
    return str(finding["check"]), str(finding["subject"])


def _told(after: Sequence[int | None]) -> str:
    open_ones = sum(1 for number in after if number)
    unknown = sum(1 for number in after if number is None)
    if unknown:
        return f"{unknown} of {len(after)} findings could not be asked again: check the database."
    if open_ones:
        return f"{open_ones} of {len(after)} findings still stand: check the database, and ask again for what is left."
    return "The findings are gone."
