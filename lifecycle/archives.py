"""What lies behind a row of `Backup` or `Patch`: its signed manifest in the store; and how two backups differ."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from lifecycle import manifest
from lifecycle.formats.base import Archive
from lifecycle.manifest import MANIFEST_NAME, Manifest
from lifecycle.models import Backup, Stored
from opsconsole import age_keys
from opsconsole.exceptions import OperationFailed
from opsconsole.keys import public_keys
from opsconsole.storage import FolderStore, Store

INSTEAD = {"backup": "take a fresh backup", "patch": "undo the restore instead, while that is possible"}
UNUSUAL_SHARE = 0.2  # a table that changed by more than a fifth ...
UNUSUAL_ROWS = 100  # ... and by at least so many rows deserves a look


def store() -> Store:
    """Where this console keeps its artifacts."""
    return FolderStore(settings.OPSCONSOLE_STORE)


def store_of(item: Stored) -> Store:
    """The store in which a backup or a patch is read."""
    return store()


def archive_of(item: Stored, *, part: str = "") -> Archive:
    """Where its objects are read, with those keys at hand that open them.

    `part` (`OPERATION.FENCE`) is only for whoever writes there.
    """
    keys = age_keys.fitting(settings.OPSCONSOLE_HOME, item.recipients.split())
    return Archive(store=store_of(item), folder=item.key, part=part, identities=keys)


def manifest_bytes(item: Stored) -> bytes:
    """The bytes of `manifest.json`. Raises OperationFailed("backup_missing", "patch_missing"): the store has none."""
    try:
        with store_of(item).open(f"{item.key}/{MANIFEST_NAME}") as stream:
            return stream.read()
    except FileNotFoundError:
        raise OperationFailed(
            f"{item.noun}_missing",
            f"The store has no manifest for {item.noun} {item.pk}.",
            f"Somebody removed its files: bring them back from a copy of the store, or {INSTEAD[item.noun]}.",
        ) from None


def manifest_of(item: Stored) -> Manifest:
    """The manifest, its signature checked and its digest compared with the row's. Raises OperationFailed."""
    found = manifest.read(manifest_bytes(item), public_keys(settings.OPSCONSOLE_HOME, "manifest"))
    if found.digest != item.manifest_sha256:
        raise OperationFailed(
            "manifest_swapped",
            f"The store holds a manifest for {item.noun} {item.pk} that is not the one it was published with.",
            "Do not use it. Look in the audit history for who could write to the store.",
        )
    return found


def previous_of(backup: Backup) -> Backup | None:
    """The backup of the same database, and of the same part of it, that was started before this one."""
    rows = Backup.objects.present().filter(
        database_id=backup.database_id, part=backup.part, started_at__lt=backup.started_at
    )
    return rows.order_by("-started_at", "-id").first()


@dataclass(frozen=True)
class TableChange:
    """One table in two backups; None rows means that it is not in that one."""

    name: str
    before: int | None
    after: int | None

    @property
    def delta(self) -> int:
        return (self.after or 0) - (self.before or 0)

    @property
    def unusual(self) -> bool:
        """Gone, new, emptied, or changed by more than a fifth (and a hundred rows)."""
        if self.before is None or self.after is None or (self.before and not self.after):
            return True
        return abs(self.delta) >= max(UNUSUAL_ROWS, UNUSUAL_SHARE * self.before)

    @property
    def sentence(self) -> str:
        """What happened to it, in words."""
        if self.before is None:
            return "is new"
        if self.after is None:
            return "is gone"
        if not self.delta:
            return "is the same size"
        return ("grew" if self.delta > 0 else "shrank") + (
            f" by {abs(self.delta) * 100 // self.before} %" if self.before else ""
        )


def differences(older: Manifest, newer: Manifest) -> list[TableChange]:
    """Every table of either manifest, the unusual ones first, then by how many rows they changed."""
    before = {table.name: table.rows for table in older.contents.tables}
    after = {table.name: table.rows for table in newer.contents.tables}
    changes = [TableChange(name, before.get(name), after.get(name)) for name in before | after]
    return sorted(changes, key=lambda change: (not change.unusual, -abs(change.delta), change.name))
