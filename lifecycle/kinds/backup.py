"""Back up: a consistent copy of one database, read through in full before it is listed."""

from __future__ import annotations

from lifecycle import taking
from lifecycle.formats import format_of, formats_for
from lifecycle.models import Backup
from lifecycle.taking import Spot
from opsconsole.databases import engine_for
from opsconsole.kinds import Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Database
from opsconsole.plans import Effect, Plan, Precondition, Step
from opsconsole.targets import plan_target


class BackupKind(Kind):
    name = "backup"
    label = "Back up"
    engines = frozenset({"postgresql", "sqlite"})
    parameters = (
        Parameter(
            name="format",
            label="Format",
            default="native",
            choices=(
                ("native", "native: fastest, restores table by table"),
                ("custom", "custom: one pg_dump archive"),
                ("json", "json: portable, any JSON reader reads it"),
            ),
            help="native, json (portable), or custom (PostgreSQL only: an archive that pg_restore reads by itself)",
        ),
    )
    mutates = False
    repeatable = True
    gated = False

    def plan(self, request: Request) -> Plan:
        engine = engine_for(request.database)
        chosen = format_of(engine.name, request.parameters["format"])
        identity = engine.identity()
        needed = taking.room_for(engine, chosen)
        tables = engine.tables()
        return Plan(
            kind=self.name,
            summary=f"The store holds a complete copy of {request.database.name} at one moment, read through, signed.",
            targets=(plan_target(request.database, identity),),
            parameters=dict(request.parameters),
            steps=(
                Step(
                    title="Take the lock inside the database",
                    detail="No restore or migration of ours runs meanwhile; applications go on working.",
                ),
                Step(title=f"Copy {len(tables)} tables from one snapshot", detail=chosen.label),
                Step(
                    title="Read the whole copy back",
                    detail="Every byte is unpacked, parsed and compared with its hash.",
                ),
                Step(
                    title="Publish the signed manifest", detail="From here on the backup is listed.", commit_point=True
                ),
            ),
            effects=tuple(
                Effect(
                    object=t.full_name,
                    action="read",
                    rows_before=t.rows,
                    rows_after=t.rows,
                    note="" if t.exact else "estimated",
                )
                for t in tables
            ),
            preconditions=(Precondition(probe="identity", subject="target", value=identity.key),),
            risk="low",
            risk_reasons=("It only reads the database.",),
            evidence={
                "server": identity.server_version,
                "room in the store": f"at most {needed >> 20} MiB are needed, and they are free",
                "formats": ", ".join(f.name for f in formats_for(engine.name)),
            },
            way_back="Nothing is changed, so there is nothing to take back.",
        )

    def run(self, run: Run) -> Result:
        run.arm()
        database = run.database()
        chosen = format_of(database.engine, str(run.plan.parameters["format"]))
        row = taking.take(run, Spot(database, run.operation_id, run.fence), chosen)
        return _result(row)

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        spot = _spot(recovery)
        made = taking.published(spot)
        if made is None:
            return Witness.NOT_DONE, None
        return Witness.DONE, _result(taking.enlist(made, spot))

    def clean_up(self, recovery: Recovery) -> None:
        spot = _spot(recovery)
        taking.sweep(spot)
        for chosen in formats_for(spot.database.engine):
            chosen.clean_up(recovery.engines["target"], recovery.operation_id, recovery.fence)


def _spot(recovery: Recovery) -> Spot:
    database = Database.objects.get(pk=recovery.plan.target().database_id)
    return Spot(database, recovery.operation_id, recovery.fence)


def _result(row: Backup) -> Result:
    return Result(
        summary=(
            f"Backup {row.id} of {row.database.name} is complete: "
            f"{row.tables} tables, {row.rows} rows, read through in full."
        ),
        data={
            "backup": row.id,
            "tables": row.tables,
            "rows": row.rows,
            "stored_bytes": row.stored_bytes,
            "plain_bytes": row.plain_bytes,
            "format": row.format,
            "manifest": row.manifest_sha256,
        },
    )
