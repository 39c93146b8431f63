"""Rehearse: run exactly what a migration would run on a copy, and record what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from django.db.models import QuerySet

from lifecycle.backups import archives, choices
from lifecycle.encryption import unlocking
from lifecycle.migrating import asking, material
from lifecycle.models import Backup, Rehearsal
from lifecycle.proving.drills import OWN, SAME_SERVER
from lifecycle.rehearsing import composing, copies, keeping, trying
from lifecycle.rehearsing.copies import Origin
from opsconsole.clock import now
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine
from opsconsole.kinds import Afterwards, Errand, Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Account, Database, Operation, Token
from opsconsole.plans import Plan, Step

MODE = Parameter(
    name="mode",
    label="Rehearse",
    default=Rehearsal.Mode.PENDING.value,
    choices=(
        ("pending", "what is pending, on a copy"),
        ("back", "taking the last one back, on a copy"),
        ("fresh", "the whole folder, on an empty database"),
    ),
    help="pending or back (a rollback; to= stays), on a copy of the data, or fresh (does the folder build the schema?)",
)
TO = replace(asking.TO, help=f"{asking.TO.help}; of what is taken back, the one that stays")
SOURCE = Parameter(
    name="source",
    label="Copy of",
    choices=(
        ("", "the backup, or a small database as it is"), ("backup", "the backup"), ("live", "the database as it is"),
    ),
    help="backup, live, or empty for the backup if its schema is that of today",
)  # fmt: skip
WHERE = Parameter(
    name="where",
    label="Where",
    choices=(("", "its own server, if possible"), (SAME_SERVER, "its own server"), (OWN, "a server of the console")),
    help="same_server needs a role that may create databases, and SQL that stays within its database",
)  # fmt: skip
SEED = Parameter(
    name="seed", label="Seed", local=True, help="with mode=fresh: a file of SQL that is run after the migrations"
)
SEED_SQL = Parameter(name="seed_sql", label="Seed", help="the SQL of that file")


@unlocking.unlocks
class RehearseKind(Kind):
    name = "rehearse"
    label = "Rehearse"
    noun = "rehearsal"
    engines = frozenset({"postgresql", "sqlite"})
    parameters = (
        asking.FOLDER, asking.BROUGHT, asking.ROOT, asking.PATH, asking.TOOL, TO, asking.ONLY, MODE, SOURCE,
        choices.BACKUP, choices.STORE, WHERE, SEED, SEED_SQL,
    )  # fmt: skip
    mutates = False
    repeatable = True
    gated = False
    deadline_seconds = 24 * 3600

    def plan(self, request: Request) -> Plan:
        engine = engine_for(request.database)
        return composing.compose(request, material.subject_of(request, engine))

    def steps(self, plan: Plan) -> tuple[Step, ...]:
        return composing.steps(plan)

    def run(self, run: Run) -> Result:
        run.arm()
        given = run.plan.parameters
        backup = Backup.objects.filter(pk=int(given["backup"])).first() if given["backup"] else None
        origin, trial = Origin(backup=backup, store=str(given["store"])), composing.trial_of(run.plan)
        began = now()
        fresh = given["mode"] == composing.FRESH
        report = (trying.from_nothing if fresh else trying.rehearse)(run, trial, origin, str(given["where"]))
        run.check_cancel()
        run.before_commit(witness={})
        row = keeping.record(run, report, backup=backup, data_at=_data_at(backup, began, copied=bool(trial.units)))
        run.after_commit()
        run.failpoint("rehearse.recorded")
        return _result(row)

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        row = Rehearsal.objects.filter(pk=recovery.operation_id).first()
        return (Witness.DONE, _result(row)) if row else (Witness.NOT_DONE, None)

    def clean_up(self, recovery: Recovery) -> None:
        beside = recovery.plan.parameters["where"] == SAME_SERVER
        engine = recovery.engines[copies.SHARED] if beside else None
        copies.clean_up(recovery.operation_id, recovery.fence, engine)

    def bring(self, database: Database, given: Mapping[str, str], account: Account, token: Token | None) -> Errand:
        path = given.get("seed")
        brought = {**given, "seed": "", **({"seed_sql": material.text_of(Path(path))} if path else {})}
        return material.bring(database, brought, account)

    def fields(self, database: Database, given: Mapping[str, str]) -> tuple[Parameter, ...]:
        return tuple(each for each in super().fields(database, given) if each.name != "seed_sql")

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        if parameter == "backup":
            return choices.suggestions(database)
        return material.suggestions(parameter, database)

    def heading(self, database: Database) -> str:
        return f"Rehearse migrations of {database.name}"

    def button(self, database: Database) -> str:
        return "Rehearse migrations"

    def afterwards(self, operation: Operation) -> tuple[Afterwards, ...]:
        row = Rehearsal.objects.filter(pk=operation.pk).first()
        if row is None or row.mode == Rehearsal.Mode.FRESH or keeping.report_of(row).recording.failure:
            return ()
        given, back = operation.plan.parameters, row.mode == Rehearsal.Mode.BACK
        kept = {name: given[name] for name in ("brought", "root", "path", "tool", "to", "only") if given.get(name)}
        return (
            Afterwards(
                sentence="Exactly this can be asked for now; the plan shows this rehearsal as evidence.",
                kind="rollback" if back else "migrate",
                parameters=kept,
                label=f"{'Roll back' if back else 'Migrate'} {row.database.name}",
                icon="undo" if back else "upgrade",
            ),
        )

    def probe(self, name: str, subject: str, engines: Mapping[str, Engine]) -> str:
        if name == "manifest":
            number, _, store = subject.partition("/")
            return archives.manifest_of(Backup.objects.get(pk=int(number)), store=store).digest
        return super().probe(name, subject, engines)


def _data_at(backup: Backup | None, began: datetime, *, copied: bool) -> datetime | None:
    """Of which moment the rows of the copy were."""
    return backup.started_at if backup else began if copied else None


def _result(row: Rehearsal) -> Result:
    """The summary goes into the history, whose readers may see no data; the data stay with the operation."""
    told = {"rehearsal": row.pk, "held": row.held, "units": row.units_digest, "verdict": row.verdict}
    return Result(summary=keeping.report_of(row).summary, data=told)
