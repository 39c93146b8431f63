"""Unfix: take a fix back while what it changed is kept. Every row holds again what it held, or nothing changes."""

from __future__ import annotations

from django.db.models import QuerySet

from integrity.fixing import foreseeing, keeping, parts, risks, undoing
from integrity.fixing.results import landed_of
from integrity.models import Fix
from opsconsole.clock import now
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Moved, Stale
from opsconsole.kinds import Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Database
from opsconsole.plans import Confirmation, Effect, Plan, Precondition, Step
from opsconsole.targets import plan_target


class UnfixKind(Kind):
    name = "unfix"
    label = "Take a fix back"
    noun = "undo of a fix"
    engines = frozenset({"postgresql", "sqlite"})
    parameters = (Parameter(name="fix", label="Fix", default="latest", help="the number of a fix, or latest"),)
    mutates = True
    repeatable = False
    gated = True
    compares = False
    like = "fix"

    def plan(self, request: Request) -> Plan:
        database, engine = request.database, engine_for(request.database)
        row = undoing.find(database, request.parameters["fix"])
        identity, held = engine.identity(), foreseeing.look(engine, row, database)
        tables = list(held.rows)
        return Plan(
            kind=self.name,
            summary=f"In {database.name}, the {row.rows} rows that fix {row.pk} set right hold again what they held.",
            targets=(plan_target(database, identity),),
            parameters={
                "fix": str(row.pk),
                "tables": tables,
                "digest": held.digest,
                "unmet": sorted([key.table, key.name] for key in held.unmet),
                **parts.sealed(held.parts),
            },
            steps=(
                Step(
                    title=f"Put {row.rows} rows back in one transaction",
                    detail="Each must be as the fix left it, and is compared with what it held before it commits.",
                    artifact=held.digest,
                    commit_point=True,
                ),
            ),
            effects=tuple(_effect(table, held) for table in tables),
            preconditions=(
                Precondition(probe="identity", subject="target", value=identity.key),
                Precondition(probe="incarnation", subject="target", value=identity.incarnation),
                Precondition(probe="schema", subject="target", value=engine.schema_fingerprint()),
            ),
            risk="medium",
            risk_reasons=("What was found before the fix is found again.", *_fired(engine, held)),
            way_back="The findings can be set right again by another fix.",
            confirmation=Confirmation(
                sentence=f"You would put {row.rows} rows back.", number=row.rows, counts="rows that are put back"
            ),
        )

    def run(self, run: Run) -> Result:
        run.arm()
        row = Fix.objects.get(pk=int(run.plan.parameters["fix"]))
        if row.state != Fix.State.KEPT:
            said = f"fix {row.pk} is {row.get_state_display()} by now"
            raise Stale([Moved(f"fix {row.pk}", "kept", said, said=said)], "There is nothing left to take back.")
        undoing.put_back(run, row)
        return _result(run.plan)

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        landed = landed_of(recovery, recovery.witness)
        if landed is not Witness.DONE:
            return landed, None
        keeping.undone(int(recovery.plan.parameters["fix"]), recovery.operation_id)
        return landed, _result(recovery.plan)

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        found = ((str(row.pk), f"fix {row.pk}, {row.rows} rows") for row in _offered(database))
        return (("latest", "the latest fix"), *found) if parameter == "fix" else ()

    def heading(self, database: Database) -> str:
        return f"Take a fix of {database.name} back"

    def button(self, database: Database) -> str:
        row = _offered(database).first()
        return f"Take fix {row.pk} back" if row else ""


def _offered(database: Database) -> QuerySet[Fix]:
    return Fix.objects.filter(database=database, state=Fix.State.KEPT, expires_at__gt=now()).exclude(key_sealed="")


def _fired(engine: Engine, held: foreseeing.Held) -> list[str]:
    """What triggers do, by table."""
    loud = [relation.full_name for relation in engine.unquiet(list(held.triggers))]
    said = []
    for relation, names in held.triggers.items():
        table, listed = relation.full_name, ", ".join(names)
        then = "nothing is put back" if table in loud else "these are set again, and no trigger fires then"
        silent = held.unmet and engine.name == "postgresql"  # which writes as a replica then
        unless = " But a row that breaks a foreign key again may be put back without them." if silent else ""
        said.append(f"Triggers of {table} fire ({listed}). Where one changes rows on their way back, {then}.{unless}")
    return said


def _effect(table: str, held: foreseeing.Held) -> Effect:
    rows, more = held.rows[table], held.count(table, inserted=True)
    note = f"{risks.rows(more)} come{'s' * (more == 1)} back" if more else ""
    return Effect(
        object=table, action="changed", rows_before=rows, rows_after=rows + more, lost=0,
        changed=held.count(table, inserted=False), note=note,
    )  # fmt: skip


def _result(plan: Plan) -> Result:
    number = int(plan.parameters["fix"])
    rows = Fix.objects.get(pk=number).rows
    said = f"The {rows} rows that fix {number} set right hold again what they held."
    return Result(summary=said, data={"fix": number, "rows": rows})
