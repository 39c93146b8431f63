"""The change requests of this app: a copy of a protected database's data may leave the console once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lifecycle import downloads
from lifecycle.models import Backup
from opsconsole.changes import Change, Draft
from opsconsole.changes.values import number
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Operation
from opsconsole.permissions import can
from opsconsole.plans import Effect, Plan

WHOEVER = "Whoever asks"


class DownloadBackup(Change):
    """Give whoever asks the right to download one backup, once, for a short while."""

    name = downloads.ACTION
    label = "Download a backup"
    fields = ("backup",)
    free_at_first = False  # it is about data, not about setting the console up

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        backup = _backup(number(parameters, "backup", default=0, least=0, most=2**53))
        database = backup.database
        return Draft(
            summary=f"{WHOEVER} may download backup {backup.id} of {database.name}"
            f" ({database.environment.name}) once, within {downloads.GRANT_MINUTES} minutes of the last approval.",
            parameters={"backup": backup.id, "manifest": backup.manifest_sha256, "database": database.id},
            effects=(
                Effect(
                    object=f"backup {backup.id} of {database.name}",
                    action="read",
                    rows_before=backup.rows,
                    rows_after=backup.rows,
                    note="all of its data, unmasked, leaves the console",
                ),
            ),
            owner_groups=(database.owner_group.name,),
            databases=(database.id,),
            risk="high",
            risk_reasons=(f"{backup.rows} rows of {database.name} leave the reach of masking and of the audit.",),
            way_back="None: what was downloaded stays where it went.",
        )

    def plan(self, parameters: Mapping[str, Any], account: Account | None) -> Plan:
        """The plan names who would get the data, for that is what others decide about."""
        plan = super().plan(parameters, account)
        assert account is not None  # refuse_strangers has seen to that
        summary = plan.summary.replace(WHOEVER, account.person.name, 1)
        return replace(plan, summary=summary, steps=tuple(replace(step, title=summary) for step in plan.steps))

    def refuse_strangers(self, account: Account | None, draft: Draft) -> None:
        """Whoever may download in that owner group may ask for it; a shell without a token is nobody to give it to."""
        backup = _backup(draft.parameters["backup"])
        if account is None or not can(account, "download", backup.database):
            raise Refused(
                "not_allowed",
                f"Your role does not let you download backups of {backup.database.name}.",
                f"Ask an engineer of {backup.database.owner_group}.",
            )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        backup = _backup(parameters["backup"])
        if backup.manifest_sha256 != parameters["manifest"] or operation.requester is None:
            raise Refused("stale", f"Backup {backup.id} is not the one that was asked for.", "Ask again.")
        right = downloads.grant(backup, operation.requester, operation)
        return {"grant": right.pk, "backup": backup.id, "expires_at": right.expires_at.isoformat()}


def _backup(number: int) -> Backup:
    found = Backup.objects.select_related("database__environment", "database__owner_group").filter(pk=number).first()
    if found is None:
        raise Usage("unknown_backup", f"There is no backup {number}.", "Look at the database's list of backups.")
    return found
