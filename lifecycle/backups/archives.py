"""What lies behind a row of `Backup` or `Patch`: its signed manifest in the store; and how two backups differ."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from lifecycle.backups import manifest
from lifecycle.backups.manifest import MANIFEST_NAME, Manifest
from lifecycle.formats.base import Archive
from lifecycle.models import Backup, BackupCopy, Patch, Stored
from opsconsole import age_keys, stores
from opsconsole.exceptions import OperationFailed, OpsError, Usage
from opsconsole.keys import PublicKeys, public_keys
from opsconsole.models import TrustedKey
from opsconsole.storage import Store
from opsconsole.verify_audit import parse_key

INSTEAD = {"backup": "take a fresh backup", "patch": "undo the restore instead, while that is possible"}
UNUSUAL_SHARE = 0.2  # a table that changed by more than a fifth ...
UNUSUAL_ROWS = 100  # ... and by at least so many rows deserves a look


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where a backup or a patch is read. `said` tells why it is not read in a better place, empty when it is."""

    store: str
    archive: Archive
    manifest: bytes
    said: str = ""


def store() -> Store:
    """The folder of this console's own: patches, uploads, and backups of environments without another choice."""
    return stores.reading(stores.LOCAL)


def find(item: Stored, *, store: str = "", besides: str = "", part: str = "", whole: bool = False) -> Found:
    """The best place where it can be read: its first good copy whose manifest answers, or the one in `store`.

    The archive has those keys at hand that open it.

    `besides` is a store not to look in. With `whole`, every object must be there with its size, and the manifest be
    the one of the row.

    Raises Usage (no such copy), OperationFailed("backup_missing", "patch_missing") when no store has its manifest, or
    what keeps the only store that might have it from answering.
    """
    keys = age_keys.fitting(settings.OPSCONSOLE_HOME, item.recipients.split())
    troubles: list[str] = []
    failure: OpsError | None = None
    for name in _places(item, store, besides):
        try:
            archive = Archive(store=stores.reading(name), folder=item.key, part=part, identities=keys)
            with archive.store.open(archive.key(MANIFEST_NAME)) as stream:
                data = stream.read()
            if whole:
                _require_whole(item, archive, data)
        except FileNotFoundError:
            troubles.append(f"it is gone from the store {name}")
        except OpsError as error:
            failure = error
            troubles.append(f"the copy in {name} cannot be used ({error.code})")
        else:
            said = f"{item.noun.capitalize()} {item.pk} is read in the store {name}: {', '.join(troubles)}."
            return Found(store=name, archive=archive, manifest=data, said=said if troubles else "")
    others = [name for name in _places(item, "", besides) if name != store] if store else []
    raise failure or OperationFailed(
        f"{item.noun}_missing",
        f"The store {store} has no manifest for {item.noun} {item.pk}."
        if store
        else f"The store has no manifest for {item.noun} {item.pk}.",
        f"Somebody removed its files there; it also lies in: {', '.join(others)}."
        if others
        else f"Somebody removed its files: bring them back from a copy of the store, or {INSTEAD[item.noun]}.",
    )


def _require_whole(item: Stored, archive: Archive, data: bytes) -> None:
    there = archive.store.sizes(archive.folder)
    for each in read_for(item, data).contents.objects:
        if there.get(archive.key(each.key)) != each.size:
            raise OperationFailed(
                f"{item.noun}_damaged",
                f"The object {each.key} of {item.noun} {item.pk} is gone from the store, or has another size.",
                f"Look at the disk of the store, and {INSTEAD[item.noun]}.",
            )


def _places(item: Stored, wanted: str, besides: str) -> list[str]:
    """Names of stores to look in, best first. A damaged copy is read only where there is no good one, or on demand."""
    if isinstance(item, Patch):
        return [stores.LOCAL]
    copies = {row.store: row.state for row in item.copies.all()}
    there = [name for name, state in copies.items() if state != BackupCopy.State.MISSING and name != besides]
    if wanted and wanted not in there:
        listed = ", ".join(there) or "no store"
        raise Usage("no_copy", f"Backup {item.pk} has no copy in the store {wanted!r}.", f"It lies in: {listed}.")
    good = [name for name in there if copies[name] == BackupCopy.State.GOOD]
    return [wanted] if wanted else good or there


def store_of(item: Stored, *, store: str = "") -> Store:
    """The store in which a backup or a patch is read."""
    return find(item, store=store).archive.store


def archive_of(item: Stored, *, store: str = "", part: str = "") -> Archive:
    """Where its objects are read, with those keys at hand that open them.

    `part` (`OPERATION.FENCE`) is only for whoever writes there.
    """
    return find(item, store=store, part=part).archive


def manifest_bytes(item: Stored, *, store: str = "") -> bytes:
    """The bytes of `manifest.json`. Raises what `find` raises."""
    return find(item, store=store).manifest


def manifest_of(item: Stored, *, store: str = "") -> Manifest:
    """The manifest, its signature checked and its digest compared with the row's. Raises OperationFailed."""
    return read_for(item, manifest_bytes(item, store=store))


def read_for(item: Stored, data: bytes) -> Manifest:
    """The manifest of `item` in `data`: believed, and the one that it was published with. Raises OperationFailed."""
    adopted = isinstance(item, Backup) and bool(item.console)
    found = manifest.read(data, believed_keys() if adopted else public_keys(settings.OPSCONSOLE_HOME, "manifest"))
    if found.digest != item.manifest_sha256:
        raise OperationFailed(
            "manifest_swapped",
            f"The store holds a manifest for {item.noun} {item.pk} that is not the one it was published with.",
            "Do not use it. Look in the audit history for who could write to the store.",
        )
    return found


def believed_keys() -> PublicKeys:
    """The keys of this console, and those of others that it was agreed to trust."""
    others = [parse_key(line) for line in TrustedKey.objects.values_list("line", flat=True)]
    return {key.key_id: key for key in others} | public_keys(settings.OPSCONSOLE_HOME, "manifest")


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
