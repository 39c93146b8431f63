"""Doctor: find out by replaying a folder's migrations in scratch how far the live schema really came."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.db.models import QuerySet

from lifecycle.doctoring import diagnosing, replaying
from lifecycle.doctoring.values import Do, diagnosis_from
from lifecycle.migrating import asking, ledgers, material, planning
from lifecycle.proving import grounds
from lifecycle.rehearsing import copies
from lifecycle.sources.acts import Unit, unit_from
from lifecycle.sources.base import State
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Refused
from opsconsole.kinds import Afterwards, Errand, Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Account, Database, Operation, Token
from opsconsole.plans import Plan, Precondition, Step
from opsconsole.targets import plan_target

TICK_SECONDS = 0.5
BASE = Parameter(
    name="base", label="Baseline", local=True,
    help="a file of SQL: the definitions that were there before the folder's first migration",
)  # fmt: skip
BASE_SQL = Parameter(name="base_sql", label="Baseline", help="the SQL of that file")
LABELS = {
    Do.FINISH: "Finish {name}",
    Do.UNDO: "Take back what is there of {name}",
    Do.APPLIED: "Mark {name} as applied",
    Do.ROLLED_BACK: "Mark {name} as not applied",
}


class DoctorKind(Kind):
    name = "doctor"
    label = "Examine migrations"
    noun = "examination of migrations"
    engines = frozenset({"postgresql", "sqlite"})
    parameters = (asking.FOLDER, asking.BROUGHT, asking.ROOT, asking.PATH, asking.TOOL, BASE, BASE_SQL)
    mutates = False
    repeatable = True
    gated = False

    def plan(self, request: Request) -> Plan:
        engine = engine_for(request.database)
        subject = material.subject_of(request, engine)
        seen = planning.look(engine, subject)
        done, rest = replaying.units_of(subject, seen)
        for units in (done, rest):
            planning.refuse_too_large(units)
        contents = copies.empty_contents(engine.identity(), engine.name)
        for refusal in grounds.refusals(engine.name, contents):
            raise Refused(*refusal)
        names = {each.key: each.name for each in seen.migrations}
        return Plan(
            kind=self.name,
            summary=f"It is known how far the schema of {request.database.name} came, whatever its ledger says.",
            targets=(plan_target(request.database, None, role=copies.SHARED),),
            parameters={
                **request.parameters,
                **subject.chosen,
                "tool": subject.source.name,
                "options": dict(subject.folder.options),
                "done": [unit.to_json() for unit in done],
                "rest": [unit.to_json() for unit in rest],
                "names": names,
                "half": [entry.key for entry in seen.entries if entry.state is State.HALF],
                "ledger_table": seen.ledger.table,
            },
            steps=_steps(done, rest, engine.name, request.parameters["base_sql"]),
            preconditions=(
                Precondition(
                    probe="ledger",
                    subject=ledgers.subject_of(subject.source.name, subject.folder.options),
                    value=seen.ledger.digest,
                ),
            ),
            risk="low",
            risk_reasons=(
                "The database itself is only read; the migrations run in a scratch database of the console.",
            ),
            evidence={"folder": subject.brought, "tool": f"{subject.source.label}. {subject.because}"},
            way_back="Nothing is changed, so there is nothing to take back.",
        )

    def run(self, run: Run) -> Result:
        run.arm()
        live, given = run.engine(copies.SHARED), run.plan.parameters
        done, rest = _units(given, "done"), _units(given, "rest")
        table = str(given["ledger_table"])
        with copies.empty(run, live.identity(), live.name) as scratch:
            run.log(f"Replaying {len(done) + len(rest)} migrations on an empty database.")
            found = replaying.replay(scratch, done, rest, table, _ticker(run), base=str(given.get("base_sql", "")))
        report = diagnosing.diagnose(
            replaying.named(found, given["names"]), replaying.definitions(live, table), given["half"]
        )
        run.check_cancel()
        run.before_commit(witness={})
        data = {**report.to_json(), "schema": live.schema_fingerprint(), "ledger": run.plan.preconditions[0].value}
        run.after_commit()
        return Result(summary=report.sentence, data=data)

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        return Witness.NOT_DONE, None  # what it found went with it; it is asked for again

    def clean_up(self, recovery: Recovery) -> None:
        copies.clean_up(recovery.operation_id, recovery.fence, None)

    def afterwards(self, operation: Operation) -> tuple[Afterwards, ...]:
        given = operation.plan.parameters
        kept = {name: given[name] for name in ("brought", "root", "path", "tool") if given.get(name)}
        found = [diagnosis_from(each) for each in operation.result.get("diagnoses", ())]
        return tuple(
            Afterwards(
                sentence=f"{each.name}: {each.sentence}" if number == 0 else f"Or, for {each.name}:",
                kind="resolve",
                parameters={**kept, "do": str(way), "migration": each.name, "at": str(each.at)},
                label=LABELS[way].format(name=each.name),
                icon="healing",
            )
            for each in found[:MOST_OFFERED]
            for number, way in enumerate(each.ways)
        )

    def bring(self, database: Database, given: Mapping[str, str], account: Account, token: Token | None) -> Errand:
        path = given.get("base")
        brought = {**given, "base": "", **({"base_sql": material.text_of(Path(path))} if path else {})}
        return material.bring(database, brought, account)

    def fields(self, database: Database, given: Mapping[str, str]) -> tuple[Parameter, ...]:
        return tuple(each for each in super().fields(database, given) if each is not BASE_SQL)

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        return material.suggestions(parameter, database)

    def heading(self, database: Database) -> str:
        return f"Examine the migrations of {database.name}"

    def button(self, database: Database) -> str:
        return ""  # it is offered where a ledger or a schema needs it

    def probe(self, name: str, subject: str, engines: Mapping[str, Engine]) -> str:
        if name == "ledger":
            return ledgers.digest(engines[copies.SHARED], subject)
        return super().probe(name, subject, engines)


MOST_OFFERED = 5


def _units(given: Mapping[str, Any], name: str) -> list[Unit]:
    return [unit_from(unit) for unit in given[name]]


def _ticker(run: Run) -> Callable[[], None]:
    told = [0.0]

    def tick() -> None:
        run.check_cancel()
        if time.monotonic() - told[0] > TICK_SECONDS:
            told[0] = time.monotonic()
            run.progress(0, 0, "", step="Replaying")

    return tick


def _steps(done: list[Unit], rest: list[Unit], engine: str, base: str) -> tuple[Step, ...]:
    where = "a PostgreSQL server of the console's own" if engine == "postgresql" else "a file of this run alone"
    return (
        *([Step(title="Make what was there before the first migration", sql=base)] if base else []),
        Step(title=f"Replay {len(done)} applied migrations on an empty database", detail=f"On {where}."),
        Step(
            title=f"Replay {len(rest)} others statement by statement",
            detail="The schema is noted after each, until one is the live one's.",
        ),
        Step(title="Say where the live schema stands", detail="And what would set the ledger right."),
    )
