"""Changes by which somebody's word counts: what was held back goes, what was in the trash comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifecycle.backups import pins
from lifecycle.backups.finding import backup_numbered
from lifecycle.models import Backup, RetentionPass, RetentionStop
from lifecycle.retention import passing, trash
from lifecycle.retention.deciding import Decision, Fate
from lifecycle.retention.facts import outlook
from opsconsole import audit
from opsconsole.changes import Change, Draft
from opsconsole.changes.values import number
from opsconsole.clock import now
from opsconsole.databases.finding import database_of, require_engineer
from opsconsole.exceptions import Refused
from opsconsole.models import Account, Database, Operation, OwnerGroup
from opsconsole.plans import Effect

LET_GO, RESUME, PUT_BACK, ACCEPT = "retention.let_go", "retention.resume", "backup.put_back", "backup.accept"
LISTED = 200  # backups that a plan names one by one


class LetGo(Change):
    """Move those backups to the trash of which more than half of a database's would go at once."""

    name = LET_GO
    label = "Let backups go"
    fields = ("database",)
    free_at_first = False

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        database = database_of(number(parameters, "database", default=0, least=0, most=2**53))
        going = _going(database)
        if not going:
            raise Refused("nothing_goes", f"No backup of {database.name} would go now.", "There is nothing to do.")
        there = Backup.objects.filter(database=database).present().count()
        return Draft(
            summary=f"{len(going)} of {there} backups of {database.name} go to the trash, by its rule.",
            parameters={"database": database.pk, "backups": [decision.backup for decision in going]},
            effects=tuple(
                Effect(object=f"backup {decision.backup}", action="removed", note=decision.sentence)
                for decision in going[:LISTED]
            ),
            owner_groups=(database.owner_group.name,),
            databases=(database.pk,),
            risk="high",
            risk_reasons=(f"{len(going)} of {there} is much at once. Is the rule meant so, and the clock right?",),
            way_back=f"Each can be taken out of the trash for {trash.stay().days} days.",
        )

    def refuse_strangers(self, account: Account | None, draft: Draft) -> None:
        """Whoever may ask for operations there may ask for this."""
        require_engineer(account, database_of(draft.parameters["database"]), "let its backups go")

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Those that were agreed to, as far as nothing keeps them by now."""
        database, agreed = database_of(parameters["database"]), set(parameters["backups"])
        going = [decision for decision in _going(database) if decision.backup in agreed]
        went = [decision.backup for decision in going if passing.let_go(decision)]
        RetentionStop.objects.filter(database=database).delete()
        return {"database": database.pk, "backups": went}


class Resume(Change):
    """Go on with retention after it was paused: the clock is right."""

    name = RESUME
    label = "Go on with retention"
    fields = ()
    free_at_first = False

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        state = passing.standing()
        if state.paused_at is None:
            raise Refused("not_paused", "Retention is not paused.", "There is nothing to do.")
        return Draft(
            summary="Retention goes on: what rules let go is moved to the trash, and the trash is emptied in time.",
            parameters={"paused_at": state.paused_at.isoformat()},
            effects=(Effect(object="retention", action="replaced", note="paused → on"),),
            owner_groups=tuple(OwnerGroup.objects.values_list("name", flat=True)),
            risk="high",
            risk_reasons=(state.paused_why, f"The console's clock says {now():%Y-%m-%d %H:%M} UTC. Is that right?"),
            way_back=f"What goes to the trash can be taken out of it for {trash.stay().days} days.",
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        state = passing.standing()
        if state.paused_at is None or state.paused_at.isoformat() != parameters["paused_at"]:
            raise Refused("stale", "Retention is not paused for that reason any more.", "Look at it, and ask again.")
        RetentionPass.objects.filter(pk=state.pk).update(
            paused_at=None, paused_why="", anchors={}, last_at=None, operation=operation
        )
        audit.record("retention.resumed", operation=operation, reason=state.paused_why)
        return {"paused_at": parameters["paused_at"]}


class PutBack(Change):
    """Take a backup of a protected database out of the trash."""

    name = PUT_BACK
    label = "Take a backup out of the trash"
    fields = ("backup",)
    free_at_first = False

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        backup = backup_numbered(number(parameters, "backup", default=0, least=0, most=2**53))
        if backup.trashed_at is None or backup.deleting_at is not None:
            raise Refused("not_in_trash", f"Backup {backup.pk} is not in the trash.", "Look at its page.")
        return _about(
            backup, f"Backup {backup.pk} of {backup.database.name} comes out of the trash, and may be restored again.",
            note="trash → listed", risks=("The rule may let it go again at the next pass: pin it if it is to stay.",),
        )  # fmt: skip

    def refuse_strangers(self, account: Account | None, draft: Draft) -> None:
        """Whoever may ask for operations there may ask for this."""
        require_engineer(account, backup_numbered(draft.parameters["backup"]).database, "take its backups back")

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        backup = backup_numbered(parameters["backup"])
        trash.put_back(backup, operation.reason, operation=operation)
        return {"backup": backup.pk}


class AcceptOutcome(Change):
    """Say that what an operation left is good, so that its safety backup need not wait for its time to be over."""

    name = ACCEPT
    label = "Accept what an operation left"
    fields = ("backup",)
    free_at_first = False

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        backup = backup_numbered(number(parameters, "backup", default=0, least=0, most=2**53))
        pins.refuse_acceptance(backup)
        return _about(
            backup,
            f"What operation {backup.operation_id} left in {backup.database.name} is accepted: its safety backup "
            f"{backup.pk} goes by the rule.",
            note="kept for going back → by the rule",
            risks=("Without it, what was there before that operation may be lost.",),
        )

    def refuse_strangers(self, account: Account | None, draft: Draft) -> None:
        """Whoever may ask for operations there may ask for this."""
        database = backup_numbered(draft.parameters["backup"]).database
        require_engineer(account, database, "accept what an operation left")

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        backup = backup_numbered(parameters["backup"])
        pins.accept(backup, operation=operation, reason=operation.reason)
        return {"backup": backup.pk}


def _going(database: Database) -> list[Decision]:
    return [decision for decision in outlook(database).decisions if decision.fate == Fate.GOING]


def _about(backup: Backup, summary: str, *, note: str, risks: tuple[str, ...]) -> Draft:
    return Draft(
        summary=summary,
        parameters={"backup": backup.pk},
        effects=(Effect(object=f"backup {backup.pk} of {backup.database.name}", action="replaced", note=note),),
        owner_groups=(backup.database.owner_group.name,),
        databases=(backup.database_id,),
        risk="low",
        risk_reasons=risks,
        way_back="Ask for it to expire.",
    )
