"""The change requests of this app: what leaves the console, what a drill asks, which backup is good again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from lifecycle.backups import downloads
from lifecycle.backups.finding import backup_numbered
from lifecycle.loss.values import grouped
from lifecycle.models import Backup, Patch, Stored
from lifecycle.proving import smoke, verdicts
from opsconsole.changes import Change, Draft
from opsconsole.changes.values import number, text
from opsconsole.databases.finding import database_of, require_engineer
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Operation
from opsconsole.plans import Effect, Plan
from opsconsole.review import Dialect

WHOEVER = "Whoever asks"


class Download(Change):
    """Give whoever asks the right to download one thing of the store, once, for a short while."""

    free_at_first = False  # it is about data, not about setting the console up
    leaves: ClassVar[str]  # what leaves the console, as the plan says it

    @abstractmethod
    def find(self, given: int) -> Stored:
        """The one of that number. Raises Usage."""

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        (noun,) = self.fields
        item = self.find(number(parameters, noun, default=0, least=0, most=2**53))
        database = item.database
        return Draft(
            summary=f"{WHOEVER} may download {noun} {item.pk} of {database.name}"
            f" ({database.environment.name}) once, within {downloads.GRANT_MINUTES} minutes of the last approval.",
            parameters={noun: item.pk, "manifest": item.manifest_sha256, "database": database.id},
            effects=(
                Effect(
                    object=f"{noun} {item.pk} of {database.name}",
                    action="read",
                    rows_before=item.rows,
                    rows_after=item.rows,
                    note=f"{self.leaves}, unmasked, leaves the console",
                ),
            ),
            owner_groups=(database.owner_group.name,),
            databases=(database.id,),
            risk="high",
            risk_reasons=(
                f"{grouped(item.rows)} rows of {database.name} leave the reach of masking and of the audit.",
            ),
            way_back="None: what was downloaded stays where it went.",
        )

    def plan(self, parameters: Mapping[str, Any], account: Account | None) -> Plan:
        """The plan names who would get the data, for that is what others decide about."""
        plan = super().plan(parameters, account)
        assert account is not None  # refuse_strangers has seen to that
        summary = plan.summary.replace(WHOEVER, account.person.name, 1)
        return replace(plan, summary=summary, steps=tuple(replace(step, title=summary) for step in plan.steps))

    def refuse_strangers(self, account: Account | None, draft: Draft) -> None:
        """Whoever may download in that owner group may ask for it."""
        downloads.refuse(self.find(draft.parameters[self.fields[0]]), account)

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        (noun,) = self.fields
        item = self.find(parameters[noun])
        downloads.refuse(item, operation.requester)
        if item.manifest_sha256 != parameters["manifest"] or operation.requester is None:
            raise Refused("stale", f"{noun.capitalize()} {item.pk} is not the one that was asked for.", "Ask again.")
        right = downloads.grant(item, operation.requester, operation)
        return {"grant": right.pk, noun: item.pk, "expires_at": right.expires_at.isoformat()}


class DownloadBackup(Download):
    name = "backup.download"
    label = "Download a backup"
    fields = ("backup",)
    leaves = "all of its data"

    def find(self, given: int) -> Backup:
        return backup_numbered(given)


class DownloadPatch(Download):
    name = "patch.download"
    label = "Download a patch"
    fields = ("patch",)
    leaves = "every row that the restore took away"

    def find(self, given: int) -> Patch:
        found = Patch.objects.select_related("database__environment", "database__owner_group").filter(pk=given).first()
        if found is None:
            raise Usage("unknown_patch", f"There is no patch {given}.", "Look at the database's tab of backups.")
        return found


class SetSmokeStatement(Change):
    """Set, replace or (with an empty statement) remove one of a database's smoke statements."""

    name = smoke.ACTION
    label = "Set a smoke statement"
    fields = ("database", "name", "statement")
    free_at_first = False  # what is confirmed here runs on the database's server

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        database = database_of(number(parameters, "database", default=0, least=0, most=2**53))
        name, given = text(parameters, "name"), str(parameters.get("statement") or "").strip()
        dialect = Dialect(database.engine)
        before, statement = smoke.current(database, name), smoke.one_select(given, dialect) if given else ""
        smoke.refuse_odd(database, name, before, statement)
        action = "replaced" if before and statement else "created" if statement else "removed"
        verb = "asks" if statement else "no longer asks"
        return Draft(
            summary=f"A drill of {database.name} {verb}: {name}.",
            parameters={"database": database.pk, "name": name, "statement": statement, "before": before},
            effects=(Effect(object=f"smoke statement {name} of {database.name}", action=action, note=statement),),
            owner_groups=(database.owner_group.name,),
            databases=(database.pk,),
            risk="low" if statement else "medium",
            risk_reasons=("It runs read-only, with few rights and for at most a minute, in scratch copies only.",)
            if statement
            else ("Drills prove less than before.",),
        )

    def plan(self, parameters: Mapping[str, Any], account: Account | None) -> Plan:
        """The plan carries the exact statement, for that is what others decide about."""
        plan = super().plan(parameters, account)
        return replace(plan, steps=tuple(replace(step, sql=plan.parameters["statement"]) for step in plan.steps))

    def refuse_strangers(self, account: Account | None, draft: Draft) -> None:
        """Whoever may ask for a drill there may ask for this."""
        require_engineer(account, database_of(draft.parameters["database"]), "set its smoke statements")

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        database = database_of(parameters["database"])
        if smoke.current(database, parameters["name"]) != parameters["before"]:
            raise Refused("stale", "The statement was changed by somebody else meanwhile.", "Ask again.")
        smoke.put(database, parameters["name"], parameters["statement"], operation)
        return {"database": database.pk, "name": parameters["name"]}


class TrustBackup(Change):
    """Call a backup good again that was found damaged, once it has held at every level that failed."""

    name = verdicts.TRUST
    label = "Call a backup good again"
    fields = ("backup",)
    free_at_first = False

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        backup = backup_numbered(number(parameters, "backup", default=0, least=0, most=2**53))
        verdicts.refuse_untrustworthy(backup)
        database = backup.database
        return Draft(
            summary=f"Backup {backup.id} of {database.name} counts as good again and may be restored.",
            parameters={"backup": backup.id, "checks": len(backup.checks)},
            effects=(
                Effect(object=f"backup {backup.id} of {database.name}", action="replaced", note="damaged → good"),
            ),
            owner_groups=(database.owner_group.name,),
            databases=(database.pk,),
            risk="high",
            risk_reasons=("It was once found damaged; find out why before you agree.",),
            way_back="Verify it again: a check that fails marks it as damaged.",
        )

    def refuse_strangers(self, account: Account | None, draft: Draft) -> None:
        """Whoever may ask for a restore there may ask for this."""
        require_engineer(account, backup_numbered(draft.parameters["backup"]).database, "call its backups good")

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        backup = backup_numbered(parameters["backup"])
        if len(backup.checks) != parameters["checks"]:
            raise Refused("stale", f"Backup {backup.id} was verified again meanwhile.", "Look at it, then ask again.")
        verdicts.trust(backup, operation)
        return {"backup": backup.id}
