"""Inspect: have a child process read an upload, and keep what it made of it as a document in our own form.

Nothing of a database is touched: the database is only the one that the upload is meant for.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import QuerySet

from lifecycle.encryption import unlocking
from lifecycle.models import Inspection, Upload
from lifecycle.uploads import inspection, listing
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Refused, Usage
from opsconsole.kinds import Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Database
from opsconsole.plans import Effect, Plan, Precondition, Step
from opsconsole.targets import plan_target

SHARED = "shared"  # it reads an upload and no database, so it keeps nobody out


@unlocking.unlocks
class InspectKind(Kind):
    name = "inspect"
    label = "Inspect"
    noun = "inspection"
    engines = frozenset({"postgresql", "sqlite"})
    parameters = (Parameter(name="upload", label="Upload", required=True, help="the number of an upload"),)
    mutates = False
    repeatable = True
    gated = False

    def plan(self, request: Request) -> Plan:
        rows = Upload.objects.filter(database=request.database).select_related("database")
        upload = listing.find(rows, request.parameters["upload"])
        listing.refuse_gone(upload)
        if Inspection.objects.filter(upload=upload).exists():
            raise Usage("inspected_already", f"Upload {upload.pk} was inspected already.", "Look at its page.")
        return Plan(
            kind=self.name,
            summary=f"It is known what upload {upload.pk} ({upload.title}) holds, and whether it can be used.",
            targets=(plan_target(request.database, None, role=SHARED),),
            parameters={"upload": str(upload.pk)},
            steps=(
                Step(
                    title="Have a child process with few rights read the files",
                    artifact=upload.digest,
                    detail="Its memory, time and disk are limited; what it writes is the document in our own form.",
                ),
                Step(title="Keep the document, and record what was found", commit_point=True),
            ),
            effects=(Effect(object=f"upload {upload.pk}", action="read", note=f"{upload.size} bytes"),),
            preconditions=(Precondition(probe="upload", subject=str(upload.pk), value=upload.digest),),
            risk="low",
            risk_reasons=("No database is touched.",),
            way_back="Nothing is changed, so there is nothing to take back.",
        )

    def run(self, run: Run) -> Result:
        run.arm()
        upload = _upload(str(run.plan.parameters["upload"]))
        Upload.objects.filter(pk=upload.pk, state=Upload.State.RECEIVED).update(state=Upload.State.INSPECTING)
        found = inspection.inspect(run, upload)
        run.check_cancel()
        run.before_commit(witness={"upload": upload.pk})
        row = inspection.record(run.operation_id, upload, found)
        run.after_commit()
        return _result(row)

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        row = Inspection.objects.select_related("upload").filter(operation_id=recovery.operation_id).first()
        return (Witness.DONE, _result(row)) if row else (Witness.NOT_DONE, None)

    def clean_up(self, recovery: Recovery) -> None:
        inspection.sweep(_upload(str(recovery.plan.parameters["upload"])), recovery.operation_id, recovery.fence)

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        rows = Upload.objects.filter(database=database, state=Upload.State.RECEIVED)
        return tuple((str(row.pk), f"upload {row.pk}, {row.title}") for row in rows[:30])

    def button(self, database: Database) -> str:
        return ""  # it is asked for when an upload arrives

    def probe(self, name: str, subject: str, engines: Mapping[str, Engine]) -> str:
        if name == "upload":
            upload = _upload(subject)
            listing.refuse_gone(upload)
            return upload.digest
        return super().probe(name, subject, engines)


def _upload(number: str) -> Upload:
    found = Upload.objects.select_related("database").filter(pk=int(number)).first()
    if found is None:
        raise Refused("upload_gone", f"There is no upload {number}.", "Bring the files again.")
    return found


def _result(row: Inspection) -> Result:
    summary, upload = row.read_summary(), row.upload
    if not row.readable:
        why = next((problem.text for problem in summary.problems if problem.level == "error"), "")
        return Result(
            summary=f"Upload {upload.pk} cannot be used: {why}", data={"upload": upload.pk, "readable": False}
        )
    return Result(
        summary=f"Upload {upload.pk} is {summary.label}: {len(summary.tables)} tables, {summary.rows} rows.",
        data={
            "upload": upload.pk,
            "readable": True,
            "format": summary.format,
            "version": summary.version,
            "tables": {table.name: table.rows for table in summary.tables},
            "document": row.document_sha256,
        },
    )
