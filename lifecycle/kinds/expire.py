"""Expire: delete one backup by hand. It goes to the trash, like those that a rule lets go, and from there in time."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import QuerySet

from lifecycle.backups import choices
from lifecycle.models import Backup
from lifecycle.retention import trash
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Refused
from opsconsole.kinds import Afterwards, Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Database, Operation
from opsconsole.plans import Effect, Plan, Precondition, Step
from opsconsole.targets import plan_target
from opsconsole.templatetags.console import clock, size

SHARED = "shared"  # nothing in the database is touched, so it keeps nobody out


class ExpireKind(Kind):
    name = "expire"
    label = "Delete a backup"
    noun = "deletion of a backup"
    engines = frozenset({"postgresql", "sqlite"})
    parameters = (
        Parameter(name="backup", label="Backup", help="the number of the backup to delete", required=True),
    )  # fmt: skip
    mutates = True
    repeatable = False
    gated = True

    def plan(self, request: Request) -> Plan:
        database = request.database
        backup = choices.choose(database, request.parameters["backup"])
        trash.refuse_expiring(backup)
        days = trash.stay().days
        return Plan(
            kind=self.name,
            summary=f"Backup {backup.id} of {database.name}, taken {backup.started_at:%Y-%m-%d %H:%M:%S} UTC, "
            f"is in the trash, and after {days} days it is deleted for good.",
            targets=(plan_target(database, None, role=SHARED),),
            parameters={"backup": str(backup.id)},
            steps=(
                Step(
                    title=f"Move backup {backup.id} to the trash",
                    artifact=backup.manifest_sha256,
                    detail="No restore, verification or download finds it there.",
                    commit_point=True,
                ),
            ),
            effects=(
                Effect(
                    object=f"backup {backup.id}", action="removed", rows_before=backup.rows, rows_after=0,
                    note=f"{size(backup.stored_bytes)} of a backup; {database.name} itself is not touched",
                ),
            ),
            preconditions=(Precondition(probe="listed", subject=str(backup.id), value=_state_of(backup)),),
            risk="medium",
            risk_reasons=(f"After {days} days nothing brings these {backup.rows} rows back.",),
            evidence={"what is left": _left(database, backup)},
            way_back=f"For {days} days it can be taken out of the trash, on its page.",
        )  # fmt: skip

    def run(self, run: Run) -> Result:
        run.arm()
        backup = _backup(run.plan)
        trash.refuse_expiring(backup, besides=run.operation_id)
        run.before_commit(witness={"backup": backup.id})
        operation = Operation.objects.get(pk=run.operation_id)
        if not trash.put_in(backup, operation.reason or "somebody asked for it", operation=operation):
            raise Refused("backup_in_trash", f"Backup {backup.id} went to the trash meanwhile.", "Look at its page.")
        run.after_commit()
        run.failpoint("expire.trashed")
        return _result(_backup(run.plan))

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        backup = _backup(recovery.plan)
        done = backup.trashed_by_id == recovery.operation_id
        return (Witness.DONE, _result(backup)) if done else (Witness.NOT_DONE, None)

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        return choices.numbered(database) if parameter == "backup" else ()

    def heading(self, database: Database) -> str:
        return f"Delete a backup of {database.name}"

    def button(self, database: Database) -> str:
        return ""  # the pages of its backups lead here

    def afterwards(self, operation: Operation) -> tuple[Afterwards, ...]:
        backup = _backup(operation.plan)
        if backup.trashed_by_id != operation.pk or backup.trash_until is None or backup.deleting_at is not None:
            return ()
        return (
            Afterwards(
                sentence=f"It lies in the trash until {clock(backup.trash_until)}.",
                link=backup.get_absolute_url(),
                link_text=f"Look at backup {backup.pk}, or take it out of the trash",
            ),
        )

    def probe(self, name: str, subject: str, engines: Mapping[str, Engine]) -> str:
        if name == "listed":
            return _state_of(Backup.objects.get(pk=int(subject)))
        return super().probe(name, subject, engines)


def _backup(plan: Plan) -> Backup:
    return Backup.objects.select_related("database__environment").get(pk=int(plan.parameters["backup"]))


def _state_of(backup: Backup) -> str:
    return "listed" if backup.is_present else "gone"


def _left(database: Database, backup: Backup) -> str:
    rows = Backup.objects.filter(database=database).good().exclude(pk=backup.pk)
    newest = choices.latest(rows)
    if newest is None:
        return "no good backup"
    return f"{rows.count()} good backups, the newest of {newest.started_at:%Y-%m-%d %H:%M} UTC"


def _result(backup: Backup) -> Result:
    until = f"{backup.trash_until:%Y-%m-%d %H:%M} UTC" if backup.trash_until else "its time is over"
    return Result(
        summary=f"Backup {backup.id} of {backup.database.name} is in the trash until {until}.",
        data={"backup": backup.id, "trash_until": backup.trash_until.isoformat() if backup.trash_until else ""},
    )
