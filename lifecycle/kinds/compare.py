"""Compare: whether an export of a D1 is what the migrations that were handed over were reviewed to make."""

from __future__ import annotations

import time
from collections.abc import Mapping

from django.db.models import QuerySet

from lifecycle.migrating import ledgers
from lifecycle.models import Upload
from lifecycle.rehearsing import copies, exported, places
from lifecycle.rehearsing.recording import Manner
from lifecycle.restores import document_requests, document_sources
from lifecycle.sources.acts import unit_from
from lifecycle.sources.base import source_named
from lifecycle.uploads import listing
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Refused, Usage
from opsconsole.kinds import Afterwards, Errand, Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Account, Database, Operation, Token
from opsconsole.plans import Plan, Precondition, Step
from opsconsole.row_numbers import row_number
from opsconsole.states import State
from opsconsole.targets import plan_target

UPLOAD = Parameter(name="upload", label="Export", help="the number of the upload that is a d1 export")
FILE = Parameter(name="file", label="File", local=True, help="the export on this machine, which is brought first")
OPERATION = Parameter(name="operation", label="Handover", help="the number of the handover; empty for the newest")
OFFERED = 20
TICK_SECONDS = 0.5


class CompareKind(Kind):
    name = "compare"
    label = "Compare an export"
    noun = "comparison with an export"
    engines = frozenset({"sqlite"})
    parameters = (UPLOAD, FILE, OPERATION)
    mutates = False
    repeatable = True
    gated = False

    def plan(self, request: Request) -> Plan:
        if not request.parameters["upload"]:
            raise Usage(
                "no_upload",
                "There is no export to compare.",
                "Choose an upload that was inspected (upload=); the command line brings one with file=PATH.",
            )
        handover = _find(request.database, request.parameters["operation"])
        uploads = Upload.objects.filter(database=request.database).select_related("database")
        export = document_sources.of_upload(listing.find(uploads, request.parameters["upload"]))
        engine = engine_for(request.database)
        places.origin_of(request.database, engine, places.LIVE, "", "")  # small enough to be copied
        before = tuple(each for each in handover.plan.preconditions if each.probe in ("schema", "ledger"))
        _refuse_moved(engine, before)
        exported.refuse_without_schema(export.open().summary)
        return Plan(
            kind=self.name,
            summary=f"It is known whether {export.name} is what handover {handover.pk} was reviewed to make.",
            targets=(plan_target(request.database, None, role=copies.SHARED),),
            parameters={
                **request.parameters,
                "operation": str(handover.pk),
                **{name: handover.plan.parameters[name] for name in ("tool", "options", "units", "migrations")},
            },
            steps=(
                Step(
                    title="Apply the migrations to a copy of the console's own file",
                    detail="As D1 would; the copy is removed afterwards.",
                ),
                Step(
                    title="Compare it with the export",
                    detail="The ledger, every definition, and the number of rows of every table.",
                ),
            ),
            preconditions=(
                *(_on_shared(each) for each in before),
                Precondition(probe="document", subject=export.name, value=export.digest),
            ),
            risk="low",
            risk_reasons=("The database itself is only read, and nothing of the export is run.",),
            evidence={"export": export.told, "handover": f"operation {handover.pk}: {handover.plan.summary}"},
            way_back="Nothing is changed, so there is nothing to take back.",
        )

    def run(self, run: Run) -> Result:
        run.arm()
        given, source = run.plan.parameters, source_named(str(run.plan.parameters["tool"]))
        units = [unit_from(unit) for unit in given["units"]]
        names = {each["key"]: each["name"] for each in given["migrations"]}
        manner = Manner(flavour="d1", foreign_keys=True, names=names, tick=_Ticker(run).tick)
        with copies.copies(run, copies.Origin(backup=None), places.OWN) as fresh, fresh("d1") as scratch:
            wanted = exported.expected(scratch, units, source, dict(given["options"]), manner)
        document = document_sources.of_upload(_upload(given)).open(run.workdir)
        told = exported.compare(
            wanted, exported.found(document, dict(given["options"]).get("table") or exported.LEDGER)
        )
        run.check_cancel()
        run.before_commit(witness={})
        run.after_commit()
        return Result(summary=exported.sentence(told, list(names.values())), data=told.to_json())

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        return Witness.NOT_DONE, None  # what it found went with it; it is asked for again

    def clean_up(self, recovery: Recovery) -> None:
        copies.clean_up(recovery.operation_id, recovery.fence, None)

    def afterwards(self, operation: Operation) -> tuple[Afterwards, ...]:
        if not operation.result.get("agrees"):
            return ()
        given = operation.plan.parameters
        handed = Operation.objects.get(pk=int(given["operation"])).plan.parameters
        kept = {name: handed[name] for name in ("brought", "root", "path", "tool", "to", "only") if handed.get(name)}
        return (
            Afterwards(
                sentence="The console's own file is still the older one. Apply the same migrations to it first;",
                kind="migrate",
                parameters=kept,
                label="Migrate the console's file",
                icon="upgrade",
            ),
            Afterwards(
                sentence="then put the rows of the export into it, so that it holds what lies at Cloudflare. "
                "Its ledger stays as it is.",
                kind="restore",
                parameters={"upload": str(given["upload"]), "mode": "replace"},
                label="Restore the export into it",
                icon="settings_backup_restore",
            ),
        )

    def bring(self, database: Database, given: Mapping[str, str], account: Account, token: Token | None) -> Errand:
        return document_requests.bring(database, given, account, token)

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        if parameter == "upload":
            return document_requests.suggestions(visible.filter(pk=database.pk))
        if parameter == "operation":
            rows = _handovers(database)[:OFFERED]
            return (("", "the newest"), *((str(row.pk), f"{row.pk}: {row.result['summary']}") for row in rows))
        return ()

    def instead(self, database: Database) -> tuple[Afterwards, ...]:
        where = f"/databases/{database.name}/upload/"
        return (Afterwards(sentence="Is the export not here yet?", link=where, link_text="Upload it"),)

    def heading(self, database: Database) -> str:
        return f"Compare an export with {database.name}"

    def button(self, database: Database) -> str:
        return ""  # it is offered after a handover

    def probe(self, name: str, subject: str, engines: Mapping[str, Engine]) -> str:
        if name == "ledger":
            return ledgers.digest(engines[copies.SHARED], subject)
        if name == "document":
            return document_sources.of_upload(Upload.objects.get(pk=int(subject.rpartition(" ")[2]))).digest
        return super().probe(name, subject, engines)


def _handovers(database: Database) -> QuerySet[Operation]:
    return Operation.objects.filter(database=database, kind="handover", state=State.SUCCEEDED).order_by("-pk")


def _find(database: Database, wanted: str) -> Operation:
    """The handover of that number, or the newest. Raises Usage."""
    rows = _handovers(database)
    row = rows.filter(pk=row_number(wanted)).first() if wanted else rows.first()
    if row is None:
        which = f"Operation {wanted} is no handover" if wanted else "There was no handover"
        raise Usage(
            "no_handover",
            f"{which} of {database.name} that came to its end, so nothing says what the export should be.",
            f"Hand migrations over first: `manage.py operate handover {database.name}`.",
        )
    return row


def _refuse_moved(engine: Engine, before: tuple[Precondition, ...]) -> None:
    """Raise Refused when the console's file is not the one that the handover was planned on."""
    for each in before:
        value = engine.schema_fingerprint() if each.probe == "schema" else ledgers.digest(engine, each.subject)
        if value != each.value:
            raise Refused(
                "moved_since",
                f"The {each.probe} of the console's file has changed since the handover, so it does not tell any more "
                "what the migrations make of it.",
                "Compare before the console's own file is migrated or restored, or hand over again.",
            )


def _on_shared(each: Precondition) -> Precondition:
    """The same, of a database that is only read."""
    subject = copies.SHARED if each.subject == "target" else each.subject
    return Precondition(probe=each.probe, subject=subject, value=each.value)


def _upload(given: Mapping[str, object]) -> Upload:
    return Upload.objects.select_related("database").get(pk=int(str(given["upload"])))


class _Ticker:
    """Reports that work goes on, and hears a cancel."""

    def __init__(self, run: Run) -> None:
        self._run, self._next = run, 0.0

    def tick(self) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + TICK_SECONDS
            self._run.check_cancel()
            self._run.progress(0, 0, "", step="Applying to a copy")
