"""Back up: a consistent copy of one database, read through in full before it is listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db.models import QuerySet

from lifecycle.backups import sweeping, taking, twins
from lifecycle.backups.taking import Spot
from lifecycle.formats import format_of, formats_for
from lifecycle.formats.base import WHOLE, Format, Scope
from lifecycle.models import Backup
from opsconsole import stores
from opsconsole.databases import engine_for
from opsconsole.exceptions import Refused
from opsconsole.kinds import Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Database
from opsconsole.plans import Effect, Plan, Precondition, Step
from opsconsole.targets import plan_target

NO_YES = (("", "no"), ("yes", "yes"))
HELP = {  # of each format, in the form for a database that has it
    "native": "native",
    "custom": "custom (an archive that pg_restore reads by itself)",
    "json": "json (portable)",
}


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
        Parameter(
            name="twin",
            label="Both, from one moment",
            choices=NO_YES,
            help="yes for a native and a portable backup of the very same moment, which prove each other in a drill",
        ),
        Parameter(
            name="tables",
            label="Only these tables",
            help="names with commas between them; empty for all (json only)",
        ),
        Parameter(name="without", label="Without these tables", help="names with commas between them (json only)"),
        Parameter(
            name="schema_only",
            label="The schema alone",
            choices=NO_YES,
            help="yes for the definitions without any row (json only)",
        ),
        Parameter(
            name="layout",
            label="Files",
            choices=(("", "one file"), ("tables", "one file a table, and a summary")),
            help="tables for one file a table plus a summary with counts, instead of one file (json only)",
        ),
        Parameter(
            name="store", label="Store", help="the name of a store; empty: the first one of the database's environment"
        ),
    )
    mutates = False
    repeatable = True
    gated = False

    def plan(self, request: Request) -> Plan:
        engine = engine_for(request.database)
        formats, scope = _asked(engine.name, request.parameters)
        identity = engine.identity()
        store = taking.first_store(request.database, request.parameters["store"])
        needed = sum(taking.planned_room(engine, chosen, store) for chosen in formats)
        tables = engine.tables()
        wanted = set(scope.of([table.full_name for table in tables]))
        chosen = [table for table in tables if table.full_name in wanted]
        return Plan(
            kind=self.name,
            summary=_summary(request.database, len(chosen), len(tables), scope, twin=len(formats) > 1),
            targets=(plan_target(request.database, identity),),
            parameters={**request.parameters, "store": store},
            steps=_steps(len(chosen), formats, scope),
            effects=tuple(
                Effect(
                    object=t.full_name,
                    action="read",
                    rows_before=t.rows,
                    rows_after=t.rows,
                    note="" if t.exact else "estimated",
                )
                for t in chosen
            ),
            preconditions=(Precondition(probe="identity", subject="target", value=identity.key),),
            risk="low",
            risk_reasons=("It only reads the database.",),
            evidence={
                "server": identity.server_version,
                "store": taking.stores_in_words(request.database, store),
                "room in the store": f"at most {(needed >> 20) + 1} MiB are needed; they are free, as far as it tells",
                "formats": ", ".join(f.name for f in formats_for(engine.name)),
                "encryption": taking.readers_in_words(request.database),
            },
            way_back="Nothing is changed, so there is nothing to take back.",
        )

    def run(self, run: Run) -> Result:
        run.arm()
        database = run.database()
        formats, scope = _asked(database.engine, run.plan.parameters)
        spot = _spot(run)
        if len(formats) > 1:
            return _result(twins.take(run, spot, (formats[0], formats[1]), scope))
        return _result(taking.take(run, spot, formats[0], scope=scope))

    def choices(self, parameter: Parameter, database: Database) -> tuple[tuple[str, str], ...]:
        if parameter.name != "format":
            return parameter.choices
        known = {chosen.name for chosen in formats_for(database.engine)}
        return tuple(choice for choice in parameter.choices if choice[0] in known)

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        if parameter != "store":
            return ()
        first = taking.first_store(database, "")
        return ("", f"{first}, the first one of its environment"), *((name, name) for name in stores.writable_names())

    def fields(self, database: Database, given: Mapping[str, str]) -> tuple[Parameter, ...]:
        """The help of the format names those of this engine."""
        return tuple(
            replace(each, help=" or ".join(HELP[name] for name, _ in self.choices(each, database)))
            if each.name == "format"
            else each
            for each in super().fields(database, given)
        )

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        spot = _spot(recovery)
        made = taking.published(spot)
        if made is None:
            return Witness.NOT_DONE, None
        return Witness.DONE, _result(taking.enlist(made, spot))

    def clean_up(self, recovery: Recovery) -> None:
        spot = _spot(recovery)
        for each in (spot, replace(spot, twin=True)):
            sweeping.sweep(each)
        for chosen in formats_for(spot.database.engine):
            chosen.clean_up(recovery.engines["target"], recovery.operation_id, recovery.fence)


def _asked(engine: str, parameters: Mapping[str, Any]) -> tuple[tuple[Format, ...], Scope]:
    """The formats to write, the native one of twins first, and what goes into them. Raises Refused.

    Plans of an older console name the format alone.
    """
    said = {
        name: str(parameters.get(name) or "")
        for name in ("format", "twin", "tables", "without", "schema_only", "layout")
    }
    chosen = format_of(engine, said["format"])
    scope = Scope(
        tables=_names(said["tables"]),
        without=_names(said["without"]),
        rows=said["schema_only"] != "yes",
        apart=said["layout"] == "tables",
    )
    if said["twin"] != "yes":
        if scope != WHOLE and not chosen.divides:
            raise Refused(
                "whole_only",
                f"A backup in the format {chosen.name} is of everything, in files of its own.",
                "Use format=json for a part of the tables, the schema alone, or one file a table.",
            )
        return (chosen,), scope
    if scope != Scope(apart=scope.apart):
        raise Refused("twins_whole", "Twins are both of everything.", "Leave out tables, without and schema_only.")
    first = format_of(engine, "native") if chosen.divides else chosen
    return (first, format_of(engine, "json")), scope


def _names(given: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in given.split(",")) if name)


def _summary(database: Database, chosen: int, of: int, scope: Scope, *, twin: bool) -> str:
    if not scope.rows:
        return f"The store holds the definitions of {database.name}, without a row, read through, signed."
    if chosen < of:
        return (
            f"The store holds the rows of {chosen} of {of} tables of {database.name} at one moment, and its"
            " definitions, read through, signed."
        )
    copies = "two complete copies" if twin else "a complete copy"
    also = ", one native and one portable" if twin else ""
    return f"The store holds {copies} of {database.name} at one moment{also}, read through, signed."


def _steps(tables: int, formats: tuple[Format, ...], scope: Scope) -> tuple[Step, ...]:
    return (
        Step(
            title="Take the lock inside the database",
            detail="No restore or migration of ours runs meanwhile; applications go on working.",
        ),
        *(
            Step(
                title=f"Copy {tables} tables from one snapshot" if scope.rows else "Copy the definitions",
                detail=chosen.label,
            )
            for chosen in formats
        ),
        Step(title="Read the whole copy back", detail="Every byte is unpacked, parsed and compared with its hash."),
        Step(title="Publish the signed manifest", detail="From here on the backup is listed.", commit_point=True),
    )


def _spot(of: Run | Recovery) -> Spot:
    database = Database.objects.select_related("environment").get(pk=of.plan.target().database_id)
    store = str(of.plan.parameters.get("store") or stores.LOCAL)  # plans of an older console name none
    return Spot(database, of.operation_id, of.fence, store=store)


def _result(row: Backup) -> Result:
    beside = f" Its twin in the format {row.twin.format} is backup {row.twin.id}." if row.twin else ""
    return Result(
        summary=(
            f"Backup {row.id} of {row.database.name} is complete{f' ({row.part})' if row.part else ''}: "
            f"{row.tables} tables, {row.rows} rows, read through in full.{beside}"
        ),
        data={
            "backup": row.id,
            "tables": row.tables,
            "rows": row.rows,
            "stored_bytes": row.stored_bytes,
            "plain_bytes": row.plain_bytes,
            "format": row.format,
            "manifest": row.manifest_sha256,
            **({"twin": row.twin.id} if row.twin else {}),
        },
    )
