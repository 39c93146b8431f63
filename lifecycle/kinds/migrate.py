"""Migrate: apply what is pending of a tool's folder, as the tool itself would, one commit after another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from django.db.models import QuerySet

from lifecycle.migrating import (
    applying,
    asking,
    ledgers,
    losses,
    material,
    offering,
    planning,
    recovering,
    rehearsals,
    reporting,
    selecting,
    showing,
)
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Moved
from opsconsole.kinds import Afterwards, Errand, Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Account, Database, Operation, Token
from opsconsole.plans import Demand, Growth, Plan, Step


class MigrateKind(Kind):
    name = "migrate"
    label = "Migrate"
    noun = "migration"
    engines = frozenset({"postgresql", "sqlite"})
    parameters: ClassVar[tuple[Parameter, ...]] = (
        asking.FOLDER, asking.BROUGHT, asking.ROOT, asking.PATH, asking.TOOL, asking.TO, asking.ONLY, *asking.COMMON,
    )  # fmt: skip
    mutates = True
    repeatable = False
    gated = True
    compares = False
    deadline_seconds = 24 * 3600

    def plan(self, request: Request) -> Plan:
        asking.refuse_bad(request)
        engine = engine_for(request.database)
        subject = material.subject_of(request, engine)
        seen = planning.look(engine, subject)
        planning.refuse(subject, seen)
        chosen = selecting.pending(seen.entries, to=request.parameters["to"], only=request.parameters["only"])
        source, options = subject.source, subject.folder.options
        selecting.refuse_gap(source, seen.entries, chosen)
        units = source.apply(chosen, seen.ledger, seen.place, options)
        return planning.compose(self.name, request, subject, seen, units, chosen)

    def run(self, run: Run) -> Result:
        return result_of(run)

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        return recovering.witness(recovery)

    def clean_up(self, recovery: Recovery) -> None:
        recovering.clean_up(recovery)

    def moved(self, plan: Plan, engines: Mapping[str, Engine], growth: Growth) -> list[Moved]:
        return losses.moved(plan, engines["target"], growth)

    def evidence_problems(self, plan: Plan, demand: Demand) -> list[tuple[str, str, str]]:
        return rehearsals.problems(plan, demand)

    def steps(self, plan: Plan) -> tuple[Step, ...]:
        return showing.steps(plan)

    def afterwards(self, operation: Operation) -> tuple[Afterwards, ...]:
        return offering.after(operation)

    def bring(self, database: Database, given: Mapping[str, str], account: Account, token: Token | None) -> Errand:
        return material.bring(database, given, account)

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        return material.suggestions(parameter, database)

    def instead(self, database: Database) -> tuple[Afterwards, ...]:
        return material.invitation(database)

    def probe(self, name: str, subject: str, engines: Mapping[str, Engine]) -> str:
        if name == "ledger":
            return ledgers.digest(engines["target"], subject)
        return super().probe(name, subject, engines)


def result_of(run: Run) -> Result:
    """Run a sealed plan of either direction, and tell what is true then."""
    progress = applying.apply(run)
    given = ledgers.given(run.plan, run.engine())
    data = reporting.data(
        run.plan, given, progress.done, safety=progress.safety, alerts=progress.alerts, rows=progress.rows
    )
    return Result(summary=reporting.summary(run.plan, given, progress.alerts), data=data)
