"""A backup in more than one store: which copies are wanted, making one, and what damage of one means.

A copy is the same folder with the same signed manifest, which is published last. So a copy that is listed is whole,
and every store alone is enough to restore from.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import Q

from lifecycle.backups import archives
from lifecycle.backups.manifest import MANIFEST_NAME, Manifest
from lifecycle.formats.base import Archive, StoredObject
from lifecycle.models import Backup, BackupCopy
from opsconsole import audit, operations, stores
from opsconsole.clock import now
from opsconsole.exceptions import OperationFailed, OpsError, Refused
from opsconsole.kinds import Run
from opsconsole.models import Operation, Store
from opsconsole.permissions import can
from opsconsole.states import OPEN
from opsconsole.storage import chunks_of
from opsconsole.stores import checking

log = logging.getLogger(__name__)
KIND = "copy"
AGAIN = timedelta(minutes=15)  # before a copy that failed is asked for once more
AT_ONCE = 5  # copies asked for in one round
# What is wrong with one copy's bytes; whatever else a check finds is wrong with all of them.
OF_ONE_COPY = frozenset(
    {"backup_damaged", "backup_missing", "manifest_damaged", "manifest_signature", "manifest_swapped"}
)


def refuse(backup: Backup, name: str) -> None:
    """Raise Refused, Usage or OperationFailed when a copy cannot be made in that store."""
    _refuse_taken(backup, name)
    copy = backup.copies.filter(store=name).first()
    if copy is not None and copy.state == BackupCopy.State.GOOD:
        raise Refused("copied_already", f"Backup {backup.pk} lies in the store {name} already.", "Nothing is missing.")
    if not backup.copies.exclude(store=name).filter(state=BackupCopy.State.GOOD).exists():
        raise Refused("no_good_copy", f"Backup {backup.pk} has no good copy elsewhere.", "Take a fresh backup.")
    free = stores.writing(name).free_bytes()
    if free is not None and free < backup.stored_bytes:
        raise Refused(
            "no_space", f"The copy needs {backup.stored_bytes >> 20} MiB, and {name} has {free >> 20} MiB free.",
            "Free space in that store, or give it a larger quota.",
        )  # fmt: skip


def other_in(backup: Backup, name: str) -> Backup | None:
    """Another backup that lies in a store in the folder of this one: two consoles give the same names to theirs."""
    rows = BackupCopy.objects.filter(store=name, backup__key=backup.key).exclude(backup=backup)
    found = rows.exclude(state=BackupCopy.State.MISSING).select_related("backup").first()
    return found.backup if found else None


def _refuse_taken(backup: Backup, name: str) -> None:
    if other := other_in(backup, name):
        raise Refused(
            "folder_taken", f"In the store {name}, the folder {backup.key} is that of backup {other.pk}.",
            "Choose another store: what lies there is not replaced.",
        )  # fmt: skip


def make(run: Run, backup: Backup, name: str) -> None:
    """Copy every object and then the manifest into a store. Raises OperationFailed, Cancelled, FenceLost."""
    part = f"{run.operation_id}.{run.fence}"
    found = archives.find(backup, besides=name)
    if found.said:
        run.log(found.said)
    made = archives.read_for(backup, found.manifest)
    _refuse_taken(backup, name)
    there = Archive(store=stores.writing(name), folder=backup.key, part=part)
    damaged = backup.copies.filter(store=name, state=BackupCopy.State.BAD).exists()
    if damaged or not is_there(there, found.manifest):
        _clear(there)
        _copy_objects(run, found.archive, there, made)
        with there.store.create(there.key(MANIFEST_NAME), part=part) as writer:
            writer.write(found.manifest)
            writer.sync()
            run.before_commit(witness={"store": name})
            writer.publish()
    else:
        run.before_commit(witness={"store": name})
    run.after_commit()
    run.failpoint("copy.manifest_published")
    note_good(backup, name, run.operation_id)


def is_there(archive: Archive, manifest: bytes) -> bool:
    """Whether the store has exactly this manifest in that folder."""
    try:
        with archive.store.open(archive.key(MANIFEST_NAME)) as stream:
            return stream.read() == manifest
    except FileNotFoundError:
        return False


def is_arriving(folder: str, name: str) -> bool:
    """Whether an open operation copies, or will copy, the backup of that folder into a store."""
    plans = (row.plan.parameters for row in Operation.objects.filter(kind=KIND, state__in=OPEN))
    numbers = [int(given["backup"]) for given in plans if given["store"] == name]
    return Backup.objects.filter(pk__in=numbers, key=folder).exists()


def _clear(archive: Archive) -> None:
    """Remove what a copy that broke off, or was found damaged, has left: the manifest first."""
    keys = archive.store.keys(archive.folder)
    for key in sorted(keys, key=lambda key: key != archive.key(MANIFEST_NAME)):
        archive.store.delete(key)


def _copy_objects(run: Run, source: Archive, there: Archive, made: Manifest) -> None:
    done, total = 0, made.stored_bytes
    for item in made.contents.objects:
        digest, size = hashlib.sha256(), 0
        with (
            source.store.open(source.key(item.key)) as stream,
            there.store.create(there.key(item.key), part=there.part) as writer,
        ):
            for data in chunks_of(stream):
                run.check_cancel()
                writer.write(data)
                digest.update(data)
                size += len(data)
                run.progress(done + size, total, "bytes", step="Copying")
            if size != item.size or f"sha256:{digest.hexdigest()}" != item.sha256:
                raise _damaged(item)
            writer.publish()
        done += size
        run.failpoint("copy.object_published")


def _damaged(item: StoredObject) -> OperationFailed:
    return OperationFailed(
        "backup_damaged", f"The object {item.key} is not what its manifest says, so it was not copied.",
        "Verify the backup at level V0: it is then known which copy is damaged.",
    )  # fmt: skip


@transaction.atomic
def note_good(backup: Backup, name: str, operation_id: int) -> None:
    """The copy is there: its row, and the event, once."""
    at = now()
    copy, _ = BackupCopy.objects.get_or_create(
        backup=backup, store=name, defaults={"state": BackupCopy.State.MISSING, "made_at": None}
    )
    if copy.state == BackupCopy.State.GOOD:
        return
    BackupCopy.objects.filter(pk=copy.pk).update(
        state=BackupCopy.State.GOOD, made_at=at, verified_at=at, problem="", tried_at=at
    )
    Store.objects.filter(name=name).update(written_at=at)
    audit.record(
        "backup.copied", operation=Operation.objects.get(pk=operation_id), database=backup.database,
        subject=f"backup {backup.pk}",
        data={"backup": backup.pk, "manifest": backup.manifest_sha256, "bytes": backup.stored_bytes, "store": name},
    )  # fmt: skip


def found_damaged(backup: Backup, name: str, error: OperationFailed, operation_id: int, level: str = "") -> bool:
    """Mark one copy as damaged where others are good, so that it is not read any more; False where none other is.

    Raises OperationFailed when the store itself is not what it should be: then nothing can be held against the copy.
    """
    others = backup.copies.exclude(store=name).filter(state=BackupCopy.State.GOOD)
    if error.code not in OF_ONE_COPY or not others.exists():
        return False
    stores.require_there(name)
    with transaction.atomic():
        rows = backup.copies.filter(store=name, state=BackupCopy.State.GOOD)
        if rows.update(state=BackupCopy.State.BAD, problem=error.why):
            audit.record(
                "backup.copy_damaged", operation=Operation.objects.get(pk=operation_id), database=backup.database,
                subject=f"backup {backup.pk}", outcome="failed", reason=error.why,
                data={"backup": backup.pk, "store": name, "level": level},
            )  # fmt: skip
    return True


def elsewhere(backup: Backup, name: str) -> str:
    """Where else it is good, in words for a next step."""
    good = backup.copies.exclude(store=name).filter(state=BackupCopy.State.GOOD).values_list("store", flat=True)
    return f"Ask for the operation again: the good copy in {good[0]} is read then." if good else ""


def remove(backup: Backup, name: str) -> None:
    """Delete a copy, its manifest first, so that half of one is never listed. May be called again when it broke off.

    Raises Refused for a store that is only read, or OperationFailed when it does not answer.
    """
    archive = Archive(store=stores.writing(name), folder=backup.key)
    _clear(archive)
    archive.store.remove_folder(archive.folder)
    with transaction.atomic():  # last: a copy without its manifest is read nowhere, and objects without a row stay
        if backup.copies.filter(store=name).delete()[0]:
            data = {"backup": backup.pk, "store": name}
            audit.record("backup.copy_removed", database=backup.database, subject=f"backup {backup.pk}", data=data)


def ask_for_missing() -> int:
    """Ask for copies that are wanted and not there; gives back how many.

    In the name of whoever asked for the backup, while they may; else in nobody's, like the backup of a schedule: the
    environment wants its copies whoever took the backup. One that failed is asked for again after AGAIN, and none into
    a store that fails. What keeps it from being asked for stands on its row.
    """
    wanted = {"backup__state": Backup.State.GOOD, "backup__trashed_at": None}
    due = BackupCopy.objects.filter(state=BackupCopy.State.MISSING, **wanted)
    due = due.filter(Q(tried_at=None) | Q(tried_at__lt=now() - AGAIN)).exclude(asked__state__in=OPEN)
    due = due.select_related("backup__database", "backup__operation__requester__person").order_by("pk")
    asked = 0
    for row in due.exclude(store__in=checking.failing())[:AT_ONCE]:
        if row.store not in checking.failing() and claim(row):  # it may have failed for the one before
            asked += _ask(row)
    return asked


def claim(row: BackupCopy) -> bool:
    """Whether this ticker is the one that asks for a missing copy: of several that read the same row, one."""
    unseen = BackupCopy.objects.filter(pk=row.pk, state=BackupCopy.State.MISSING, tried_at=row.tried_at)
    return unseen.update(tried_at=now()) == 1


def _ask(row: BackupCopy) -> bool:
    backup, account = row.backup, row.backup.operation.requester
    may = account is not None and account.is_active and can(account, "request", backup.database)
    asked, problem = None, ""
    try:
        checking.require_answer(row.store)
        given = {"backup": str(backup.pk), "store": row.store}
        prepared = operations.prepare(KIND, backup.database, given, account=account if may else None)
        asked = operations.submit(prepared, reason="wanted by its environment")
    except OpsError as error:
        problem = str(error)
        checking.note(row.store, error)
    if problem or not row.problem:
        BackupCopy.objects.filter(pk=row.pk).update(problem=problem)
    BackupCopy.objects.filter(pk=row.pk, state=BackupCopy.State.MISSING).update(tried_at=now(), asked=asked)
    return asked is not None
