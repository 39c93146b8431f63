"""Pinning a backup: kept until somebody says otherwise, with the reason and the name; and letting a safety one go."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from lifecycle.backups.uses import refuse_absent
from lifecycle.models import Backup
from opsconsole import audit, wording
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Operation
from opsconsole.permissions import can

SHORTEST = 5  # letters of a reason that a colleague will understand next year


@transaction.atomic
def pin(backup: Backup, *, account: Account, reason: str, until: datetime | None = None) -> Backup:
    """Keep a backup until then, or until somebody unpins it.

    Raises Usage without a reason or for an end that is past, Refused without the role and for one that is not there.
    """
    _may_pin(backup, account)
    refuse_absent(backup)
    if until is not None and until <= now():
        raise Usage("bad_value", "A pin ends in the future.", "Give a later day, or none.")
    reason = wording.reason(reason, "A pin", least=SHORTEST)
    Backup.objects.filter(pk=backup.pk).update(
        pinned_at=now(), pinned_by=account, pin_reason=reason[:300], pinned_until=until
    )
    _record("backup.pinned", backup, reason, until=until.isoformat() if until else "")
    backup.refresh_from_db()
    return backup


@transaction.atomic
def unpin(backup: Backup, *, account: Account, reason: str) -> Backup:
    """Let retention treat a backup like any other again. The old reason stays in the audit.

    Raises Usage without a new one, and Refused without the role.
    """
    _may_pin(backup, account)
    reason = wording.reason(reason, "Taking a pin away")
    Backup.objects.filter(pk=backup.pk).update(pinned_at=None, pinned_by=None, pin_reason="", pinned_until=None)
    _record("backup.unpinned", backup, reason)
    backup.refresh_from_db()
    return backup


@transaction.atomic
def accept(backup: Backup, *, reason: str, operation: Operation | None = None) -> None:
    """What the operation left that a safety backup was taken for is good: the backup goes by the rule from now on.

    Raises Refused for a backup that is no safety backup, or was accepted, and Usage without a reason.
    """
    refuse_acceptance(backup)
    reason = wording.reason(reason, "Accepting what was done")
    Backup.objects.filter(pk=backup.pk, accepted_at=None).update(accepted_at=now())
    _record("backup.accepted", backup, reason, operation)


def refuse_acceptance(backup: Backup) -> None:
    """Raise Refused unless a backup is there, kept for going back, and not accepted yet."""
    refuse_absent(backup)
    if backup.purpose != Backup.Purpose.SAFETY or backup.accepted_at is not None:
        raise Refused(
            "nothing_to_accept", f"Backup {backup.id} is no safety backup that waits for anybody.", "Look at its page."
        )


def _may_pin(backup: Backup, account: Account) -> None:
    if not can(account, "request", backup.database):
        raise Refused(
            "not_allowed",
            f"Your role does not let you pin backups of {backup.database.name}.",
            f"Ask an engineer of {backup.database.owner_group}.",
        )


def _record(event: str, backup: Backup, reason: str, operation: Operation | None = None, **told: str) -> None:
    audit.record(
        event, database=backup.database, operation=operation, subject=f"backup {backup.id}", reason=reason,
        data={"backup": backup.id, **told},
    )  # fmt: skip
