"""Undo: bring back what a restore, or another undo, has replaced, while it is kept.

After a swap of PostgreSQL the kept database and the live one change names again, in one transaction. Everywhere else
the safety backup of that operation is restored. Either way what is live now is kept in turn: an undo can be undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from lifecycle import loss
from lifecycle.encryption import unlocking
from lifecycle.formats import keeper_of
from lifecycle.models import Backup, KeptCopy
from lifecycle.restores import kept, offers, replacing, undoing
from opsconsole import databases
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Moved
from opsconsole.kinds import Afterwards, Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Database, Operation
from opsconsole.plans import Effect, Growth, Plan


@unlocking.unlocks
class UndoKind(Kind):
    name = "undo"
    label = "Undo"
    engines = frozenset({"postgresql", "sqlite"})
    parameters = (
        Parameter(
            name="operation",
            label="What to undo",
            default="latest",
            help="the number of a restore or of an undo, or latest",
        ),
    )
    mutates = True
    repeatable = False
    gated = True
    like = "restore"

    def plan(self, request: Request) -> Plan:
        copy = kept.find(request.database, request.parameters["operation"])
        engine = engine_for(request.database)
        undoing.refuse(copy, engine)
        return undoing.compose(request.database, copy, engine)

    def run(self, run: Run) -> Result:
        copy = _copy(run.plan)
        if copy.way == KeptCopy.Way.DATABASE:
            facts, safety = _swap_back(run, copy), None
        else:
            done = replacing.replace(run, undoing.backup_of(copy), str(run.plan.parameters["method"]))
            facts, safety = done.facts, done.safety
        return _conclude(run.plan, run.operation_id, run.engine(), copy, facts, safety)

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        verdict = replacing.verdict(recovery)
        if verdict is not Witness.DONE:
            return verdict, None
        copy, engine = _copy(recovery.plan), recovery.engines["target"]
        safety = replacing.safety_of(recovery)
        return verdict, _conclude(recovery.plan, recovery.operation_id, engine, copy, recovery.witness, safety)

    def moved(self, plan: Plan, engines: Mapping[str, Engine], growth: Growth) -> list[Moved]:
        return loss.moved(plan, undoing.loss_of(_copy(plan), engines["target"], loss.unhurried()), growth)

    def clean_up(self, recovery: Recovery) -> None:
        replacing.clean_up(recovery)

    def probe(self, name: str, subject: str, engines: Mapping[str, Engine]) -> str:
        if name == "backup":
            return replacing.sound_digest(int(subject))
        if name in undoing.PROBES:
            return undoing.PROBES[name](kept.copies().get(operation_id=int(subject)), engines["target"])
        return super().probe(name, subject, engines)

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        rows = ((str(row.operation_id), offers.choice(row)) for row in kept.undoable(database))
        return (("latest", "the latest that can be undone"), *rows)

    def heading(self, database: Database) -> str:
        return f"Undo an operation on {database.name}"

    def button(self, database: Database) -> str:
        rows = kept.undoable(database)
        return offers.act(rows[0]) if rows else ""

    def afterwards(self, operation: Operation) -> tuple[Afterwards, ...]:
        return offers.undo_of(operation)


def _copy(plan: Plan) -> KeptCopy:
    return kept.copies().get(operation_id=int(plan.parameters["operation"]))


def _swap_back(run: Run, copy: KeptCopy) -> Mapping[str, Any]:
    run.arm()
    engine = run.engine()
    rows = {e.object: e.rows_after for e in _remaining(run.plan) if e.exact and e.rows_after is not None}
    return keeper_of(engine.name).swap_back(engine, run.lock(), copy.name, copy.incarnation, rows, run)


def _conclude(
    plan: Plan, operation_id: int, engine: Engine, copy: KeptCopy, facts: Mapping[str, Any], safety: Backup | None
) -> Result:
    """List what was replaced in turn, and tell what is there now."""
    database = Database.objects.get(pk=plan.target().database_id)
    live = engine.identity().incarnation
    row = kept.keep(database, operation_id, facts=facts, safety=safety, live=live, undoes=copy)
    databases.probe(database)
    remaining = _remaining(plan)
    counted = all(effect.exact for effect in remaining)
    rows = f", {sum(e.rows_after or 0 for e in remaining)} rows, counted before they went live" if counted else ""
    again = f"{database.name} holds again what it held before {offers.named(copy)}"
    return Result(
        summary=f"{again}: {len(remaining)} tables{rows}.",
        data={
            "undone": copy.operation_id,
            "tables": {effect.object: effect.rows_after for effect in remaining},
            "safety_backup": safety.id if safety else None,
            "old_database": row.name,
        },
    )


def _remaining(plan: Plan) -> list[Effect]:
    """The tables that are there afterwards."""
    return [effect for effect in plan.effects if effect.action != "removed"]
