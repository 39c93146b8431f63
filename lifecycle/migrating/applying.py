"""Running the units of a sealed plan: safety backup, the tool's lock, one unit after another, until one fails.

Each unit's commit is a commit point of its own. What stands is always told by the ledger, here and in recovery alike.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lifecycle.backups import taking
from lifecycle.formats import formats_for
from lifecycle.migrating import asking, counting, ledgers, reporting, runs
from lifecycle.migrating.differences import gist, schema_changes
from lifecycle.migrating.ledgers import Given
from lifecycle.migrating.patience import Limits
from lifecycle.migrating.running import ENDED, execute, state
from lifecycle.migrating.runs import Told
from lifecycle.migrating.watching import Rules, Watcher
from lifecycle.models import Backup, MigrationRun
from lifecycle.restores import replacing
from lifecycle.sources.acts import Unit
from lifecycle.sources.base import Ledger
from opsconsole import databases
from opsconsole.engines.base import Engine
from opsconsole.engines.scripting import Patience, Script, ScriptFailed
from opsconsole.exceptions import Cancelled, Moved, OperationFailed, OpsError, Stale, StoppedPartway
from opsconsole.kinds import Run
from opsconsole.models import Database
from opsconsole.plans import Plan

USUALLY_GUARDED = ("users",)
State = MigrationRun.State


@dataclass
class Progress:
    """How far a run is."""

    safety: Backup | None = None
    done: int = 0
    schema: str = ""  # fingerprint after the last unit
    definitions: Mapping[str, str] = field(default_factory=dict)  # after the last unit, by name
    alerts: list[str] = field(default_factory=list)
    invalid: set[str] = field(default_factory=set)  # indexes that are known not to be valid
    rows: dict[str, list[int | None]] = field(default_factory=dict)  # before the first and after the last unit


def apply(run: Run) -> Progress:
    """Do all units. Raises Stale, Cancelled or OperationFailed when nothing was done, StoppedPartway otherwise."""
    engine, progress = run.engine(), Progress()
    given = ledgers.given(run.plan, engine)
    run.recheck()
    asking.refuse_without_backup(run.database(), str(run.plan.parameters["backup"]))
    if run.plan.parameters["backup"] != "no":
        run.log("Taking a safety backup of what is there now.")
        spot = replacing.safety_spot(run.database(), run.operation_id, run.fence)
        progress.safety = taking.take(run, spot, formats_for(engine.name)[0])
    patience = Patience(lock=float(run.plan.parameters["lock_wait"]))
    with engine.script(patience, foreign_keys=given.source.foreign_keys) as script:
        ledger = _locked(run, script, given)
        run.arm()
        progress.schema, progress.definitions = engine.schema_fingerprint(), engine.definitions()
        watcher = _watcher(run, script, given, ledger)
        progress.invalid = set(counting.invalid_indexes(script))
        for unit in given.units:
            _check_cancel(run, given, progress)
            _one(run, engine, watcher, unit, progress)
            _notice(run, watcher, unit, progress)
            if progress.done < len(given.units):
                run.failpoint("migrate.between")
    databases.probe(run.database())
    return progress


def rules_of(plan: Plan, database: Database) -> Rules:
    """What a plan allows, and which tables of its database are guarded."""
    told = plan.parameters
    return Rules(
        announced=dict(told["announced"]),
        guarded=frozenset(name.lower() for name in (database.guarded_tables or USUALLY_GUARDED)),
        limits=Limits.read(str(told["timeouts"])),
        tries=int(told["lock_tries"]),
    )


def _watcher(run: Run, script: Script, given: Given, ledger: Ledger) -> Watcher:
    def announce(unit: Unit) -> None:
        run.failpoint("migrate.before_commit")
        run.before_commit(witness=_witness(given, given.units.index(unit), begun=True))

    rules = rules_of(run.plan, run.database())
    return Watcher(run=run, script=script, given=given, rules=rules, expected=len(ledger.rows), announce=announce)


def _witness(given: Given, done: int, *, begun: bool) -> dict[str, Any]:
    """What recovery finds: how many units were done, and whether the next one was begun."""
    return {"done": done, "of": len(given.units), "begun": begun}


def _locked(run: Run, script: Script, given: Given) -> Ledger:
    """Take the tool's own lock, then read the ledger again. Raises Stale, OperationFailed("tool_busy")."""
    for act in given.source.locks(given.place, given.options):
        for attempt in range(1, int(run.plan.parameters["lock_tries"]) + 1):
            try:
                state(script, act)
                break
            except ScriptFailed as error:
                if not error.locked:
                    raise OperationFailed(
                        "tool_lock", f"The lock of {given.source.label} failed: {error.why}."
                    ) from error
                run.log(f"{given.source.label} is running elsewhere; trying its lock again ({attempt}).")
                _pause(run, min(2.0**attempt, 15.0))
        else:
            why = f"{given.source.label} is running elsewhere: its lock is taken."
            raise OperationFailed("tool_busy", why, "Wait for that run to end, then ask again.")
    ledger = given.ledger(script)
    planned = next(each.value for each in run.plan.preconditions if each.probe == "ledger")
    if ledger.digest != planned:
        raise Stale([Moved(f"the ledger {ledger.table}", planned, ledger.digest, said=_WRITTEN.format(ledger.table))])
    return ledger


def _pause(run: Run, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        run.check_cancel()
        time.sleep(0.1)


def _check_cancel(run: Run, given: Given, progress: Progress) -> None:
    try:
        run.check_cancel()
    except Cancelled as error:
        if progress.done == 0:
            raise
        raise _stopped(run.plan, given, progress, error.code, error.why) from error


def _one(run: Run, engine: Engine, watcher: Watcher, unit: Unit, progress: Progress) -> None:
    """Do one unit and write its rows. Raises as `apply` does."""
    given, total = watcher.given, len(watcher.given.units)
    run.log(f"{unit.title} ({progress.done + 1} of {total}).")
    runs.begin(run.operation_id, run.plan, unit, schema_before=progress.schema)
    clock = time.monotonic()
    try:
        _patiently(watcher, unit)
    except (Cancelled, Stale, OperationFailed) as error:
        runs.end(run.operation_id, unit, Told(state=State.FAILED, error=error.why))
        if progress.done or (watcher.look.reached and not unit.atomic):
            raise _stopped(run.plan, given, progress, error.code, error.why) from error
        raise
    except ScriptFailed as error:
        raise _failed(run, watcher, unit, progress, error) from error
    took = time.monotonic() - clock
    run.failpoint("migrate.committed")
    if not unit.atomic:
        watcher.count_after()
    progress.done += 1
    if progress.done < total:
        run.after_step(witness=_witness(given, progress.done, begun=False))
    else:
        run.after_commit()
    watcher.seen()
    runs.end(run.operation_id, unit, _told(engine, watcher, progress, took))


def _told(engine: Engine, watcher: Watcher, progress: Progress, took: float) -> Told:
    """What is written of a unit that is done; the schema is looked at."""
    before, progress.definitions = progress.definitions, engine.definitions()
    progress.schema = engine.schema_fingerprint()
    return Told(
        state=State.DONE, seconds=took, rows=watcher.look.rows(), schema_after=progress.schema,
        changes=gist(schema_changes(before, progress.definitions)),
    )  # fmt: skip


def _patiently(watcher: Watcher, unit: Unit) -> None:
    """Execute a unit; again when it met a lock and nothing of it was done."""
    watcher.begin()
    while True:
        try:
            execute(watcher.script, unit, watcher.watch(unit))
            return
        except ScriptFailed as error:
            if not error.locked or watcher.look.touched or not watcher.wait(unit):
                raise
            watcher.again_from_the_start()


def _notice(run: Run, watcher: Watcher, unit: Unit, progress: Progress) -> None:
    """Keep what somebody should know of a unit that is done: rows that went, indexes that are not valid."""
    found = [*reporting.alerts_of(unit, watcher.look, watcher.rules), *_unfinished(watcher, progress)]
    for text in found:
        run.log(f"Alert: {text}")
        runs.alert(run.operation_id, unit, text)
    progress.alerts += found
    for table, (was, now) in watcher.look.rows().items():
        progress.rows[table] = [progress.rows.get(table, [was])[0], now]


def _unfinished(watcher: Watcher, progress: Progress) -> list[str]:
    """Indexes that have become invalid, each told once."""
    now = counting.invalid_indexes(watcher.script)
    new = {index: table for index, table in now.items() if index not in progress.invalid}
    progress.invalid |= set(now)
    return [reporting.invalid(index, table) for index, table in new.items()]


def _failed(run: Run, watcher: Watcher, unit: Unit, progress: Progress, error: ScriptFailed) -> OpsError:
    """What a unit left that its database refused: nothing, or what the tool itself would leave."""
    runs.end(run.operation_id, unit, Told(state=State.FAILED, error=error.why))
    why = reporting.refused(unit, error)
    nothing = not watcher.look.reached or (unit.atomic and error.code != ENDED)
    if nothing and progress.done == 0 and not watcher.look.announced:
        next_step = reporting.next_after(run.plan, None)
        return OperationFailed("migration_failed", f"{why} It was rolled back: nothing was changed.", next_step)
    progress.alerts += _unfinished(watcher, progress)
    state = "It was rolled back." if nothing else reporting.left(unit, watcher.given.ledger(watcher.script))
    return _stopped(run.plan, watcher.given, progress, "migration_failed", f"{why} {state}")


def _stopped(plan: Plan, given: Given, progress: Progress, code: str, why: str) -> StoppedPartway:
    facts = reporting.data(
        plan, given, progress.done, safety=progress.safety, alerts=progress.alerts, rows=progress.rows
    )
    stands = reporting.stands(given, progress.done)
    next_step = reporting.next_after(plan, progress.safety)
    told = " ".join([why, stands, *progress.alerts])
    return StoppedPartway(code, told, next_step, data=facts | {"summary": stands})


_WRITTEN = "the ledger {} has been written since this was planned"
