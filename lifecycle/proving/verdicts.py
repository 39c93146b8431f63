"""What a verification found, written into the backup's row together with its event.

A level that failed marks the backup as damaged, and it stays so whatever a later check finds: only a confirmed change
calls it good again (`backup.trust`). So nobody restores by chance what was once seen to be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from lifecycle.backups.manifest import rfc3339
from lifecycle.backups.uses import refuse_absent
from lifecycle.models import Backup, BackupCopy
from opsconsole import audit, stores
from opsconsole.clock import now
from opsconsole.exceptions import FenceLost, Refused
from opsconsole.kinds import Run
from opsconsole.models import Operation
from opsconsole.states import HELD_BY_WORKER

TRUST = "backup.trust"  # the change that calls a damaged backup good again


@transaction.atomic
def record(run: Run, backup_id: int, level: str, *, ok: bool, detail: str, **facts: Any) -> Backup:
    """Add a check to the backup; `facts` are seconds, where, restore_seconds and the like. Raises FenceLost.

    A run that is repeated replaces what it wrote the first time.
    """
    rows = Operation.objects.select_for_update(of=("self",))
    operation = rows.filter(pk=run.operation_id, fence=run.fence, state__in=HELD_BY_WORKER).first()
    if operation is None:
        raise FenceLost("fence_lost", f"Operation {run.operation_id} is no longer held under fence {run.fence}.")
    backup = Backup.objects.select_for_update(of=("self",)).select_related("database").get(pk=backup_id)
    at = now()
    check = {"level": level, "at": rfc3339(at), "ok": ok, "detail": detail, "operation": run.operation_id, **facts}
    backup.checks = [kept for kept in backup.checks if kept.get("operation") != run.operation_id] + [check]
    if not ok:
        backup.state, backup.damaged_at = Backup.State.BAD, at
        backup.copies.filter(store=facts.get("store")).update(state=BackupCopy.State.BAD)
    elif level == "V2":
        backup.drilled_at, backup.restore_seconds = at, facts["restore_seconds"]
    if ok:
        backup.copies.filter(store=facts.get("store")).update(verified_at=at)
    backup.save(update_fields=["checks", "state", "damaged_at", "drilled_at", "restore_seconds"])
    audit.record(
        "backup.verified" if ok else "backup.damaged",
        operation=operation,
        database=backup.database,
        subject=f"backup {backup.id}",
        outcome="ok" if ok else "failed",
        reason="" if ok else detail,
        data={"backup": backup.id, "level": level, **facts},
    )
    return backup


def refuse_untrustworthy(backup: Backup) -> None:
    """Raise Refused unless a damaged backup has since held at least at the highest level that failed."""
    refuse_absent(backup)
    if backup.state != Backup.State.BAD:
        raise Refused("not_damaged", f"Backup {backup.id} is not marked as damaged.", "There is nothing to do.")
    failed = [place for place, check in enumerate(backup.checks) if not check["ok"]]
    since = backup.checks[failed[-1] + 1 :] if failed else backup.checks
    needed = max((str(backup.checks[place]["level"]) for place in failed), default="V1")
    if not any(check["ok"] and str(check["level"]) >= needed for check in since):
        raise Refused(
            "not_proven",
            f"Backup {backup.id} failed {needed}, and has not held at that level since.",
            f"Verify it at level {needed} first.",
        )


def trust(backup: Backup, operation: Operation) -> None:
    """Carry out a confirmed change: the backup counts as good again."""
    refuse_untrustworthy(backup)
    Backup.objects.filter(pk=backup.pk).update(state=Backup.State.GOOD)
    held = [check.get("store", stores.LOCAL) for check in backup.checks if check["ok"]][-1:]  # the last that held
    backup.copies.filter(store__in=held).update(state=BackupCopy.State.GOOD, problem="")
    audit.record(
        "backup.trusted", operation=operation, database=backup.database, subject=f"backup {backup.id}",
        data={"backup": backup.id},
    )  # fmt: skip


def recorded(backup: Backup, operation_id: int) -> Mapping[str, Any] | None:
    """The check that an operation wrote, when it held."""
    return next((check for check in backup.checks if check.get("operation") == operation_id and check["ok"]), None)
