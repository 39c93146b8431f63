"""The two steps of a deletion: into the trash, where a backup lies for a while, and then for good.

The second step first marks the row (from then on nothing brings it back), removes the manifest, then the objects, and
only then calls the backup deleted; the row stays as a record. Killed at any moment, the next tick goes on from there:
every act may be done twice. Each step is a conditional update, so that of two that try, one does it, with its event.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from lifecycle.backups import uses
from lifecycle.backups.manifest import MANIFEST_NAME
from lifecycle.models import Backup
from lifecycle.retention.deciding import Candidate, last_good_of
from lifecycle.retention.facts import candidates_of
from lifecycle.stores import copies
from opsconsole import audit, failpoints, installation, stores
from opsconsole.clock import now
from opsconsole.exceptions import OpsError, Refused
from opsconsole.models import Database, Operation
from opsconsole.storage import Store
from opsconsole.triggers import refusals

log = logging.getLogger(__name__)
AT_ONCE = 200  # objects that one tick removes: the other chores must not wait for long
PAUSE = timedelta(minutes=5)  # after a store has refused


def stay() -> timedelta:
    """How long a backup lies in the trash."""
    return timedelta(days=settings.RETENTION_TRASH_DAYS)


def put_in(backup: Backup, reason: str, *, operation: Operation | None = None) -> bool:
    """Move a backup to the trash; False when somebody else did, or it is deleted. Raises Refused by a guard."""
    at = now()
    rows = Backup.objects.present().filter(pk=backup.pk)
    with refusals(), transaction.atomic():
        if not rows.update(trashed_at=at, trash_until=at + stay(), trash_reason=reason[:300], trashed_by=operation):
            return False
        told = {"backup": backup.pk, "until": (at + stay()).isoformat()}
        _record("backup.trashed", backup, operation, reason=reason, data=told)
    return True


@transaction.atomic
def put_back(backup: Backup, reason: str, *, operation: Operation | None = None) -> None:
    """Take a backup out of the trash. Raises Refused when it is not there, or its deletion has begun."""
    rows = Backup.objects.filter(pk=backup.pk, trashed_at__isnull=False, deleting_at=None)
    if not rows.update(trashed_at=None, trash_until=None, trash_reason="", trashed_by=None, delete_problem=""):
        raise Refused("not_in_trash", f"Backup {backup.pk} is not in the trash.", "Look at its page.")
    _record("backup.put_back", backup, operation, reason=reason, data={"backup": backup.pk})


def rescue(database: Database) -> bool:
    """Bring the newest good backup back out of the trash when no other good one is left."""
    rows = Backup.objects.filter(database=database)
    for pool in (rows.complete(), rows):
        if pool.good().exists():
            return False
        newest = pool.filter(state=Backup.State.GOOD, deleting_at=None).order_by("-started_at", "-id").first()
        if newest is not None:
            put_back(newest, "no other good backup of its database is left")
            return True
    return False


def delete_due() -> int:
    """Begin the deletions whose time has come and go on with those that have begun; how many ended.

    Raises Refused when the store that is there is not this console's: nothing in it could be called deleted.
    """
    at, room, ended, known = now(), AT_ONCE, 0, dict[int, tuple[Candidate, ...]]()
    rows = Backup.objects.filter(trashed_at__isnull=False, trash_until__lte=at).exclude(state=Backup.State.EXPIRED)
    failed = Q(delete_problem__gt="", deleting_at__gt=at - PAUSE)
    for row in rows.exclude(failed).select_related("database__environment").order_by("trash_until", "id"):
        installation.require_own()
        if row.deleting_at is None:
            if row.database_id not in known:
                known[row.database_id] = candidates_of(row.database)
            if not _begin(row, known[row.database_id]):
                continue
        try:
            room -= _remove_objects(row, room)
            if room <= 0:
                break
            ended += _end(row)
        except (OSError, OpsError) as error:
            log.warning("backup %s is not deleted yet: %s", row.pk, error)
            tried = {"delete_problem": str(error), "deleting_at": now()}
            Backup.objects.filter(pk=row.pk).exclude(state=Backup.State.EXPIRED).update(**tried)
            if isinstance(error, OpsError) and error.code.startswith("store_"):
                break  # each further try of a store that does not answer may take a minute
    return ended


def _begin(row: Backup, candidates: Sequence[Candidate]) -> bool:
    """Mark that its deletion begins, unless something has come to keep it meanwhile."""
    why = _why_not(row.pk, candidates)
    if why:
        if row.delete_problem != why:
            Backup.objects.filter(pk=row.pk).update(delete_problem=why)
        return False
    with refusals(), transaction.atomic():
        waiting = Backup.objects.filter(pk=row.pk, trashed_at=row.trashed_at, deleting_at=None)
        if not waiting.update(deleting_at=now(), delete_problem=""):
            return False
        _record("backup.unlisted", row, None, reason=row.trash_reason, data={"backup": row.pk})
    return True


def _why_not(number: int, candidates: Sequence[Candidate]) -> str:
    """Why a backup whose time in the trash is over stays there: a hold, a pin, a use, or that no good one is left."""
    mine = next(candidate for candidate in candidates if candidate.id == number)
    claims = [claim.words for claim in mine.claims if claim.holds(now())]
    left = [other for other in candidates if other.good and other.present and other.complete >= mine.complete]
    if mine.good and not left:
        claims.insert(0, "no other good backup of its database is left")
    return "; ".join(claims)


def _remove_objects(row: Backup, room: int) -> int:
    """Remove its objects from every store that we write to, at most `room` of them; how many were removed.

    What lies in another console's store stays there, as does another backup in a folder of the same name: only our
    record of it ends.
    """
    removed = 0
    for copy in row.copies.order_by("id"):
        if copy.store in stores.writable_names() and not copies.other_in(row, copy.store):
            removed += _remove_copy(row, stores.writing(copy.store), room - removed)
            if removed >= room:
                break
        copy.delete()
    return removed


def _remove_copy(row: Backup, archive: Store, room: int) -> int:
    """The manifest first and then the objects, so that no half of a backup can be taken for a whole one."""
    manifest = f"{row.key}/{MANIFEST_NAME}"
    keys = archive.keys(row.key)
    ordered = [key for key in keys if key == manifest] + [key for key in keys if key != manifest]
    for key in ordered[:room]:
        archive.delete(key)
        failpoints.hit("retention.object_removed")
    if len(ordered) < room:
        archive.remove_folder(row.key)
    return len(ordered)


def _end(row: Backup) -> bool:
    with transaction.atomic():
        begun = Backup.objects.filter(pk=row.pk, deleting_at__isnull=False).exclude(state=Backup.State.EXPIRED)
        if not begun.update(state=Backup.State.EXPIRED, expired_at=now(), delete_problem=""):
            return False
        told = {"backup": row.pk, "bytes": row.stored_bytes, "manifest": row.manifest_sha256}
        _record("backup.expired", row, None, reason=row.trash_reason, data=told)
    return True


def refuse_expiring(backup: Backup, *, besides: int = 0) -> None:
    """Raise Refused with every reason why a backup must not be deleted by hand."""
    uses.refuse_absent(backup)
    candidates = candidates_of(backup.database, besides=besides)
    mine = next(candidate for candidate in candidates if candidate.id == backup.pk)
    claims = [claim for claim in mine.claims if claim.holds(now())]
    if backup.pk in last_good_of(candidates):
        raise Refused(
            "last_good",
            f"Backup {backup.pk} is the last good one of {backup.database.name}, or the last that a drill restored.",
            "Take a fresh backup and let a drill restore it; then this one may go.",
        )
    if claims:
        code = {"pin": "pinned", "hold": "on_hold"}.get(claims[0].code, "in_use")
        raise Refused(code, f"Backup {backup.pk} must stay: {'; '.join(claim.words for claim in claims)}.", _END[code])


_END = {
    "pinned": "Unpin it on its page first.",
    "on_hold": "Ask for the hold to be lifted; another person decides about that.",
    "in_use": "Wait until that has ended, or cancel it.",
}


def _record(type: str, backup: Backup, operation: Operation | None, **more: object) -> None:
    audit.record(
        type, database=backup.database, operation=operation, subject=f"backup {backup.pk}", **more  # type: ignore[arg-type]
    )  # fmt: skip
