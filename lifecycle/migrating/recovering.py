"""What a run of migrations that was lost has done: read in the ledger, told as the run itself would have."""

from __future__ import annotations

from lifecycle.migrating import ledgers, reporting, runs
from lifecycle.migrating.ledgers import Given
from lifecycle.restores import replacing
from lifecycle.sources.base import Ledger
from opsconsole.kinds import Recovery, Result, Witness


def witness(recovery: Recovery) -> tuple[Witness, Result | None]:
    """How many units the ledger has; their rows are brought into line with it. Raises TargetProblem."""
    engine = recovery.engines["target"]
    given = ledgers.given(recovery.plan, engine)
    ledger = ledgers.read(engine, given.source, given.options)
    landed = given.landed(ledger)
    runs.settle(recovery.operation_id, recovery.plan, given.units, landed)
    if landed == len(given.units):
        return Witness.DONE, _result(recovery, given, landed)
    if landed == 0 and not _begun(recovery, given, ledger, landed):
        return Witness.NOT_DONE, None
    return Witness.PARTLY, _partly(recovery, given, ledger, landed)


def _begun(recovery: Recovery, given: Given, ledger: Ledger, landed: int) -> bool:
    """Whether something of the next unit may be there, which is not all or nothing."""
    unit = given.units[landed]
    failed = any(row.failed and row.key in unit.migrations for row in ledger.rows)
    told = bool(recovery.witness.get("begun")) and recovery.witness.get("done") == landed
    return failed or (told and not unit.atomic)


def _partly(recovery: Recovery, given: Given, ledger: Ledger, landed: int) -> Result:
    result = _result(recovery, given, landed)
    unit, said = given.units[landed], reporting.stands(given, landed)
    if _begun(recovery, given, ledger, landed):
        said = f"{said} {unit.title} was begun. {reporting.left(unit, ledger)}"
    next_step = reporting.next_after(recovery.plan, replacing.safety_of(recovery))
    return Result(summary=said, data={**result.data, "code": "applied_partly", "next": next_step})


def _result(recovery: Recovery, given: Given, landed: int) -> Result:
    facts = reporting.data(
        recovery.plan, given, landed, safety=replacing.safety_of(recovery), alerts=[], rows={}
    )  # fmt: skip
    lost = "Its worker was lost; the ledger says that it was done before."
    return Result(summary=f"{reporting.summary(recovery.plan, given, [])} {lost}", data=facts)


def clean_up(recovery: Recovery) -> None:
    """Remove what a run left behind; what it had begun and not done is told as lost."""
    runs.abandon(recovery.operation_id)
    replacing.clean_up(recovery)
