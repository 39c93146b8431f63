"""Changes of legal holds: setting one on a backup or on all of a database's, and lifting one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lifecycle.backups.finding import backup_numbered, moment_of
from lifecycle.backups.pins import SHORTEST
from lifecycle.backups.uses import refuse_absent
from lifecycle.models import Backup, Hold
from opsconsole import audit, wording
from opsconsole.changes import Change, Draft
from opsconsole.changes.values import number, text
from opsconsole.clock import now
from opsconsole.databases.finding import database_of, require_engineer
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Database, Operation
from opsconsole.plans import Effect

SET, LIFT = "hold.set", "hold.lift"


class SetHold(Change):
    """Nothing deletes the backup (or, without one, any backup of the database) until the hold ends or is lifted."""

    name = SET
    label = "Set a legal hold"
    fields = ("database", "backup", "cause", "until")
    free_at_first = False

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        backup, database = _object(parameters)
        cause = wording.reason(text(parameters, "cause", default=" "), "A hold", least=SHORTEST)
        until = moment_of(parameters, "until")
        if until is not None and until <= now():
            raise Usage("bad_value", "A hold ends in the future.", "Give a later day, or none.")
        ends = f"until {until:%Y-%m-%d %H:%M} UTC" if until else "until it is lifted"
        what = f"Backup {backup.pk} of {database.name}" if backup else f"Every backup of {database.name}"
        return Draft(
            summary=f"{what} is held {ends}: {cause}.",
            parameters={
                "database": database.pk, "backup": backup.pk if backup else 0, "cause": cause[:300],
                "until": until.isoformat() if until else "",
            },
            effects=(Effect(object=f"legal hold on {what[0].lower()}{what[1:]}", action="created", note=ends),),
            owner_groups=(database.owner_group.name,),
            databases=(database.pk,),
            risk="low",
            risk_reasons=("Nothing deletes it meanwhile, whatever the rules say and whoever asks.",),
            way_back="Lift the hold, which another person confirms as well.",
        )  # fmt: skip

    def refuse_strangers(self, account: Account | None, draft: Draft) -> None:
        """Whoever may ask for operations there may ask for this."""
        require_engineer(account, database_of(draft.parameters["database"]), "set a hold on its backups")

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        backup, database = _object(parameters)
        until = datetime.fromisoformat(parameters["until"]) if parameters["until"] else None
        row = Hold.objects.create(
            database=database, backup=backup, reason=parameters["cause"], until=until, set_at=now(), operation=operation
        )
        told = {"hold": row.pk, "backup": backup.pk if backup else 0, "until": parameters["until"]}
        _record("hold.set", row, operation, told)
        return {"hold": row.pk}


class LiftHold(Change):
    """End a legal hold before its time."""

    name = LIFT
    label = "Lift a legal hold"
    fields = ("hold",)
    free_at_first = False

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        row = _hold(number(parameters, "hold", default=0, least=0, most=2**53))
        database, on = row.database, _on(row)
        return Draft(
            summary=f"The legal hold on {on} is lifted: {row.reason}.",
            parameters={"hold": row.pk, "database": database.pk},
            effects=(Effect(object=f"legal hold on {on}", action="removed", note=row.reason),),
            owner_groups=(database.owner_group.name,),
            databases=(database.pk,),
            risk="high",
            risk_reasons=("From then on the rule of retention may delete what it was on.",),
            way_back="Set another hold, as long as the backup is there.",
        )

    def refuse_strangers(self, account: Account | None, draft: Draft) -> None:
        """Whoever may ask for operations there may ask for this."""
        require_engineer(account, database_of(draft.parameters["database"]), "lift a hold on its backups")

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        row = _hold(parameters["hold"])
        Hold.objects.filter(pk=row.pk, lifted_at=None).update(lifted_at=now(), lifted_by=operation)
        _record("hold.lifted", row, operation, {"hold": row.pk, "backup": row.backup_id or 0})
        return {"hold": row.pk}


def _object(parameters: Mapping[str, Any]) -> tuple[Backup | None, Database]:
    """The backup that is meant, if any, and its database."""
    given = number(parameters, "backup", default=0, least=0, most=2**53)
    if not given:
        return None, database_of(number(parameters, "database", default=0, least=0, most=2**53))
    backup = backup_numbered(given)
    refuse_absent(backup)
    return backup, backup.database


def _hold(given: int) -> Hold:
    rows = Hold.objects.select_related("database__environment", "database__owner_group")
    row = rows.filter(pk=given).first()
    if row is None:
        raise Usage("unknown_hold", f"There is no hold {given}.", "Look at the backup's page.")
    if row.lifted_at is not None:
        raise Refused("lifted", f"Hold {given} was lifted on {row.lifted_at:%Y-%m-%d}.", "There is nothing to do.")
    return row


def _on(row: Hold) -> str:
    return f"backup {row.backup_id} of {row.database.name}" if row.backup_id else f"every backup of {row.database.name}"


def _record(type: str, row: Hold, operation: Operation, told: Mapping[str, Any]) -> None:
    subject = f"backup {row.backup_id}" if row.backup_id else "every backup"
    audit.record(type, operation=operation, database=row.database, subject=subject, reason=row.reason, data=told)
