"""Pinning a backup: kept until somebody says otherwise, with the reason and the name."""

from __future__ import annotations

from django.db import transaction

from lifecycle.models import Backup
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account
from opsconsole.permissions import can


@transaction.atomic
def pin(backup: Backup, *, account: Account, reason: str) -> Backup:
    """Keep a backup for ever, until somebody unpins it. Raises Usage without a reason, Refused without the role."""
    _may_pin(backup, account)
    if len(reason.strip()) < 5:
        raise Usage(
            "reason_missing", "A pin needs a reason that a colleague will understand next year.", "Write a few words."
        )
    Backup.objects.filter(pk=backup.pk).update(pinned_at=now(), pinned_by=account, pin_reason=reason.strip()[:300])
    _record("backup.pinned", backup, reason)
    backup.refresh_from_db()
    return backup


@transaction.atomic
def unpin(backup: Backup, *, account: Account, reason: str = "") -> Backup:
    """Let retention treat a backup like any other again. The old reason stays in the audit."""
    _may_pin(backup, account)
    was = backup.pin_reason
    Backup.objects.filter(pk=backup.pk).update(pinned_at=None, pinned_by=None, pin_reason="")
    _record("backup.unpinned", backup, reason or f"It was pinned because: {was}")
    backup.refresh_from_db()
    return backup


def _may_pin(backup: Backup, account: Account) -> None:
    if not can(account, "request", backup.database):
        raise Refused(
            "not_allowed",
            f"Your role does not let you pin backups of {backup.database.name}.",
            f"Ask an engineer of {backup.database.owner_group}.",
        )


def _record(event: str, backup: Backup, reason: str) -> None:
    audit.record(
        event, database=backup.database, subject=f"backup {backup.id}", reason=reason, data={"backup": backup.id}
    )
