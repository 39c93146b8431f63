"""Looking after what runs have left in stores: what was published is listed, what was not is removed."""

from __future__ import annotations

import logging
import re
from datetime import datetime

from lifecycle.backups.manifest import Manifest
from lifecycle.backups.taking import Spot, beside, enlist, published
from lifecycle.models import Backup, BackupCopy
from lifecycle.stores import copies
from opsconsole import stores
from opsconsole.exceptions import OpsError
from opsconsole.instance import instance_id
from opsconsole.models import Database, Operation, Store
from opsconsole.states import TERMINAL
from opsconsole.stores import checking

log = logging.getLogger(__name__)
_FOLDER = re.compile(
    r"backups/(?P<database>[^/]+)/(?P<operation>\d+)-(?P<fence>\d+)(?P<safety>-safety)?(?P<twin>-twin)?"
)


def sweep(spot: Spot) -> None:
    """Remove what an unpublished backup left; adopt a published one that is not listed yet.

    The second of two twins counts as published once the first one is. A manifest that is older than the operation is
    another's (the console's database was lost): it stays as it is.
    """
    archive, made = spot.archive, published(spot)
    if made is not None and not _is_of(made, spot):
        return
    archive.store.sweep(archive.folder, part=archive.part)
    if made is not None and spot.twin:
        made, spot = beside(made, spot) or (None, spot)
    if made is not None:
        enlist(made, spot)
        return
    for key in archive.store.keys(archive.folder):
        archive.store.delete(key)
    archive.store.remove_folder(archive.folder)


def _is_of(made: Manifest, spot: Spot) -> bool:
    """Whether a manifest is what this operation published, in full."""
    began = Operation.objects.filter(pk=spot.operation_id, created_at__lte=datetime.fromisoformat(made.started_at))
    there = spot.archive.store.sizes(spot.folder)
    whole = all(there.get(spot.archive.key(item.key)) == item.size for item in made.contents.objects)
    return whole and made.console == instance_id() and began.exists()


def tidy() -> int:
    """Look after the backup folders of operations that are over: list what was published, remove the rest.

    Gives back how many folders were looked at closely; those of listed backups and of open operations are not.
    """
    return _tidy(stores.LOCAL)


def tidy_others() -> int:
    """The same in the other stores that this console writes to. One that does not answer waits for the next time."""
    looked_at = 0
    rows = Store.objects.filter(retired_at=None, writable=True, marked=True, problem={})
    for name in rows.values_list("name", flat=True):
        try:
            checking.require_answer(name)
            looked_at += _tidy(name)
        except OpsError as error:
            log.warning("the store %s could not be looked after: %s", name, error)
    return looked_at


def _tidy(store: str) -> int:
    listed = set(BackupCopy.objects.filter(store=store).values_list("backup__key", flat=True))
    looked_at = 0
    for folder in stores.writing(store).folders("backups", depth=2):
        spot = None if folder in listed else _spot_of(folder, store)
        ended = spot is not None and Operation.objects.filter(pk=spot.operation_id, state__in=TERMINAL).exists()
        if spot is not None and ended and not copies.is_arriving(folder, store):
            sweep(spot)
            looked_at += 1
    return looked_at


def _spot_of(folder: str, store: str) -> Spot | None:
    """The spot whose folder this is; None for one that is not ours to look after."""
    match = _FOLDER.fullmatch(folder)
    database = Database.objects.filter(name=match["database"]).first() if match else None
    if match is None or database is None:
        return None
    purpose = Backup.Purpose.SAFETY if match["safety"] else Backup.Purpose.REQUESTED
    return Spot(database, int(match["operation"]), int(match["fence"]), purpose, store, bool(match["twin"]))
