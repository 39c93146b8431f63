"""The patches that are listed: which there are, until when, and letting them go when their time is over."""

from __future__ import annotations

import logging
import re
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from lifecycle import patches
from lifecycle.backups import archives
from lifecycle.formats.base import Archive
from lifecycle.models import Patch
from lifecycle.patches import Place
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.exceptions import OperationFailed, Refused
from opsconsole.models import Database, Operation
from opsconsole.states import OPEN, TERMINAL, State

log = logging.getLogger(__name__)
_FOLDER = re.compile(r"patches/[^/]+/(?P<operation>\d+)-(?P<fence>\d+)")


def of_database(database: Database) -> QuerySet[Patch]:
    """The patches of a database that are kept, newest first, those of rows that did not fit included."""
    return Patch.objects.filter(database=database, state=Patch.State.KEPT).select_related("database", "operation")


def refuse_gone(item: Patch) -> None:
    """Raise Refused when a patch is no longer kept."""
    if item.state != Patch.State.KEPT:
        raise Refused(
            "patch_gone",
            f"The patch of restore {item.pk} was kept until {item.expires_at:%Y-%m-%d %H:%M} UTC.",
            "Restore the safety backup of that restore into another database: it has what was there before.",
        )


@transaction.atomic
def enlist(place: Place) -> Patch | None:
    """List the patch that a restore has published; the same row when it is listed. None when there is none."""
    found = Patch.objects.filter(pk=place.operation_id).first()
    made = None if found else patches.published(place)
    if made is None:
        return found
    holds = Patch.Holds.REJECTED if made.contents.format == patches.REJECTED else Patch.Holds.LOST
    row = Patch.objects.create(
        operation_id=place.operation_id,
        database=place.database,
        holds=holds,
        key=made.backup,
        manifest_sha256=made.digest,
        recipients=" ".join(made.public_keys),
        tables={table.name: table.rows for table in made.contents.tables},
        rows=made.rows,
        stored_bytes=made.stored_bytes,
        taken_at=datetime.fromisoformat(made.finished_at),
        expires_at=now() + _kept_for(holds),
    )
    audit.record(
        "patch.kept",
        operation=row.operation,
        database=row.database,
        subject=f"patch {row.pk}",
        data={
            "patch": row.pk,
            "holds": str(holds),
            "manifest": made.digest,
            "rows": made.rows,
            "bytes": made.stored_bytes,
            "expires_at": row.expires_at.isoformat(),
        },
    )
    return row


def _kept_for(holds: str) -> timedelta:
    """Lost rows can come back as long as an undo can; those that did not fit are for somebody who mends them."""
    if holds == Patch.Holds.REJECTED:
        return timedelta(days=settings.UPLOAD_DAYS)
    return timedelta(hours=settings.OLD_DATABASE_HOURS)


def sweep(place: Place) -> None:
    """Remove what a run left of its patch. One that is listed stays: that run was past its commit point."""
    if not Patch.objects.filter(key=place.archive.folder, state=Patch.State.KEPT).exists():
        patches.sweep(place.archive)


def drop_expired() -> int:
    """Let go of patches whose time is over; gives back how many. One that an open reapply needs stays until it ended.

    The row goes first: killed before the folder is gone too, nobody is offered half a patch; `tidy` removes the rest.
    """
    reapplies = Operation.objects.filter(kind="reapply", state__in=OPEN)
    wanted = {int(row.plan.parameters["restore"]) for row in reapplies}
    due = Patch.objects.filter(state=Patch.State.KEPT, expires_at__lte=now()).exclude(pk__in=wanted)
    return sum(_drop(row) for row in due.select_related("database").order_by("pk")[:5])


def tidy() -> int:
    """Look after the folders of restores that are over: list the patch that nobody listed, remove what no row keeps.

    Gives back how many folders were looked at closely; those of listed patches and of open operations are not.
    """
    listed = set(Patch.objects.filter(state=Patch.State.KEPT).values_list("key", flat=True))
    looked_at = 0
    for folder in archives.store().folders("patches", depth=2):
        match = None if folder in listed else _FOLDER.fullmatch(folder)
        if match is not None:
            looked_at += _look_after(folder, int(match["operation"]), int(match["fence"]))
    return looked_at


def _look_after(folder: str, operation_id: int, fence: int) -> bool:
    done = Operation.objects.filter(pk=operation_id, kind="restore", state__in=TERMINAL).first()
    if done is None or done.database is None:
        return False
    place = Place(done.database, operation_id, fence)
    unlisted = not Patch.objects.filter(pk=operation_id).exists()
    try:
        if done.state == State.SUCCEEDED and done.runner_fence == fence and unlisted and enlist(place):
            return True
    except OperationFailed as error:
        log.warning("The patch in %s is not listed: %s", folder, error)
        return False
    patches.sweep(_archive(folder))
    return True


def _drop(row: Patch) -> bool:
    with transaction.atomic():
        still_kept = Patch.objects.filter(pk=row.pk, state=Patch.State.KEPT)
        if not still_kept.update(state=Patch.State.DROPPED, ended_at=now()):
            return False
        told = {"patch": row.pk, "rows": row.rows}
        audit.record("patch.dropped", database=row.database, subject=f"patch {row.pk}", data=told)
    patches.sweep(_archive(row.key))
    return True


def _archive(folder: str) -> Archive:
    """The folder of a patch, to be removed with what its run wrote."""
    part = folder.rpartition("/")[2].replace("-", ".")
    return Archive(store=archives.store(), folder=folder, part=part)
