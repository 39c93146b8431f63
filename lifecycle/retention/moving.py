"""Moving old backups to a colder store: copy, compare every stored byte there, and only then let the other copies go.

Each step is an operation of its own (`copy`, then `verify` at level V0), so the history tells it and a crash costs
nothing but time: a pass looks at what is there and asks for the next step.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

from lifecycle.backups import archives, uses
from lifecycle.models import Backup, BackupCopy
from lifecycle.retention.deciding import Fate
from lifecycle.retention.facts import Outlook
from lifecycle.stores import copies
from opsconsole import installation, operations, stores
from opsconsole.clock import now
from opsconsole.exceptions import OpsError, Refused
from opsconsole.models import Database

log = logging.getLogger(__name__)
AT_ONCE = 5  # backups of one database that one pass takes a step further
UNTOUCHED = frozenset({"hold", "use", "undo"})  # what these are on stays where it is


def move_old(database: Database, outlook: Outlook) -> int:
    """Take the next step with backups that are older than the rule wants them elsewhere; how many steps were taken."""
    rule, at = outlook.rule, now()
    if not rule.move_to or rule.move_to not in stores.writable_names():
        return 0
    limit = at - timedelta(days=rule.move_days)
    old = [
        candidate.id
        for candidate, decision in zip(outlook.candidates, outlook.decisions, strict=True)
        if decision.fate == Fate.KEPT and candidate.good and candidate.started_at <= limit
        and not decision.codes & UNTOUCHED
    ]  # fmt: skip
    rows = Backup.objects.filter(pk__in=old).select_related("database__environment", "operation__requester__person")
    waiting = [row for row in rows.prefetch_related("copies") if _is_elsewhere(row, rule.move_to)]
    return sum(_step(row, rule.move_to) for row in sorted(waiting, key=lambda row: row.pk)[:AT_ONCE])


def _is_elsewhere(row: Backup, store: str) -> bool:
    """Whether something of it is still to be copied, compared or removed."""
    lies_in = {copy.store for copy in row.copies.all()}
    return bool(lies_in) and (store not in lies_in or bool(_removable(row.copies.all(), store)))


def _removable(rows: Iterable[BackupCopy], store: str) -> list[str]:
    """The stores, besides, from which a copy can be removed: what another console wrote stays there."""
    return [copy.store for copy in rows if copy.store != store and copy.store in stores.writable_names()]


def _step(row: Backup, store: str) -> bool:
    copy = row.copies.filter(store=store).first()
    try:
        if copy is None:
            BackupCopy.objects.get_or_create(backup=row, store=store, defaults={"state": BackupCopy.State.MISSING})
        elif copy.state != BackupCopy.State.GOOD:
            return False  # it is being made, or was found damaged: its own row says which
        elif copy.made_at is None or copy.verified_at is None or copy.verified_at <= copy.made_at:
            _ask_to_compare(row, store)
        else:
            installation.require_own()
            archives.find(row, store=store, whole=True)
            for other in _removable(row.copies.all(), store):
                copies.remove(row, other)
    except OpsError as error:
        log.warning("backup %s does not move to %s yet: %s", row.pk, store, error)
        return False
    return True


def _ask_to_compare(row: Backup, store: str) -> None:
    """Ask, in the name of whoever asked for the backup, for its stored bytes to be compared there."""
    account = row.operation.requester
    if account is None or not account.is_active:
        raise Refused("nobody", "Whoever asked for the backup has no login any more.", "Verify the copy by hand.")
    if uses.uses_of({row.pk: row.operation_id})[row.pk]:
        return  # perhaps by this very request; the next pass looks again
    given = {"backup": str(row.pk), "level": "V0", "store": store}
    operations.request("verify", row.database, given, account=account, reason="it moves there by the rule of retention")
