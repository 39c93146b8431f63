"""Copy: put a backup into one store more, from a good copy of it. The database itself is not touched."""

from __future__ import annotations

import humanize
from django.db.models import QuerySet

from lifecycle.backups import archives, choices
from lifecycle.formats.base import Archive
from lifecycle.models import Backup
from lifecycle.stores import copies
from opsconsole import stores
from opsconsole.kinds import Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Database
from opsconsole.plans import Effect, Plan, Step
from opsconsole.targets import plan_target

SHARED = "shared"  # nothing in the database is locked


class CopyKind(Kind):
    name = copies.KIND
    label = "Copy a backup"
    noun = "copy"
    engines = frozenset({"postgresql", "sqlite"})
    parameters = (
        choices.BACKUP,
        Parameter(
            name="store", label="Into the store", required=True, help="the name of a store: manage.py store list"
        ),
    )
    mutates = False
    repeatable = True
    gated = False

    def plan(self, request: Request) -> Plan:
        database, name = request.database, request.parameters["store"]
        backup = choices.choose(database, request.parameters["backup"])
        copies.refuse(backup, name)
        found = archives.find(backup, besides=name)
        size = humanize.naturalsize(backup.stored_bytes, binary=True)
        return Plan(
            kind=self.name,
            summary=f"Backup {backup.pk} of {database.name} lies in the store {name} too.",
            targets=(plan_target(database, None, role=SHARED),),
            parameters={"backup": str(backup.pk), "store": name},
            steps=(
                Step(title=f"Copy {size} from {found.store}", artifact=backup.manifest_sha256,
                     detail="Every object is compared with the hash in the signed manifest on its way."),
                Step(title="Publish the manifest there", detail="From here on the copy counts.", commit_point=True),
            ),
            effects=(Effect(object=f"backup {backup.pk}", action="kept", note=f"and a copy of it in {name}"),),
            risk="low",
            risk_reasons=("The database itself is not touched.",),
            way_back="Nothing is changed, so there is nothing to take back; the copy goes when the backup goes.",
        )  # fmt: skip

    def heading(self, database: Database) -> str:
        return f"Copy a backup of {database.name}"

    def run(self, run: Run) -> Result:
        run.arm()
        backup, name = _given(run.plan)
        copies.make(run, backup, name)
        return _result(backup, name)

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        backup, name = _given(recovery.plan)
        found = archives.find(backup, besides=name)
        archive = Archive(store=stores.reading(name), folder=backup.key)
        if not recovery.witness or not copies.is_there(archive, found.manifest):
            return Witness.NOT_DONE, None
        copies.note_good(backup, name, recovery.operation_id)
        return Witness.DONE, _result(backup, name)

    def clean_up(self, recovery: Recovery) -> None:
        backup, name = _given(recovery.plan)
        stores.writing(name).sweep(backup.key, part=f"{recovery.operation_id}.{recovery.fence}")

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        if parameter == "store":
            return tuple((name, name) for name in stores.writable_names())
        return choices.suggestions(database) if parameter == "backup" else ()

    def button(self, database: Database) -> str:
        return ""  # it is asked for on the page of a backup, and by itself


def _given(plan: Plan) -> tuple[Backup, str]:
    backup = Backup.objects.select_related("database").get(pk=int(plan.parameters["backup"]))
    return backup, str(plan.parameters["store"])


def _result(backup: Backup, name: str) -> Result:
    return Result(
        summary=f"Backup {backup.pk} of {backup.database.name} lies in the store {name} too.",
        data={"backup": backup.pk, "store": name, "bytes": backup.stored_bytes, "manifest": backup.manifest_sha256},
    )
