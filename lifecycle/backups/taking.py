"""Taking a backup: write the objects, read them back in full, sign and publish the manifest, list it.

The manifest's publication is the commit point: before it there is nothing to list, after it the backup is complete
whatever happens to this process. Used by the kind `backup` and for the safety copy before a restore.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db import transaction

from lifecycle.backups import manifest as manifests
from lifecycle.backups.manifest import ENCRYPTED_FORMAT, MANIFEST_FORMAT, MANIFEST_NAME, Manifest, rfc3339
from lifecycle.backups.uses import refuse_absent
from lifecycle.encryption import recipients
from lifecycle.formats import format_of
from lifecycle.formats.base import PART, TWIN, WHOLE, Archive, Contents, Format, Scope
from lifecycle.models import Backup, BackupCopy, Recipient
from opsconsole import age_keys, audit, stores
from opsconsole.clock import now
from opsconsole.engines.base import Engine
from opsconsole.exceptions import OperationFailed, Refused
from opsconsole.instance import instance_id
from opsconsole.keys import SigningKey, public_keys
from opsconsole.kinds import Run
from opsconsole.models import Database, Operation, Store
from opsconsole.stores import checking


@dataclass(frozen=True)
class Spot:
    """Where the backup of one run lies in its first store. Requested and safety backups of one run have their own."""

    database: Database
    operation_id: int
    fence: int
    purpose: str = Backup.Purpose.REQUESTED
    store: str = stores.LOCAL
    twin: bool = False  # the second of two backups of one moment

    @property
    def part(self) -> str:
        return f"{self.operation_id}.{self.fence}"

    @property
    def folder(self) -> str:
        suffix = "-safety" if self.purpose == Backup.Purpose.SAFETY else ""
        return f"backups/{self.database.name}/{self.operation_id}-{self.fence}{suffix}{'-twin' * self.twin}"

    @property
    def archive(self) -> Archive:
        return Archive(store=stores.reading(self.store), folder=self.folder, part=self.part)

    @cached_property
    def readers(self) -> list[Recipient]:
        """For whom it is encrypted. Raises OperationFailed when one is not what was confirmed."""
        return recipients.of_database(self.database)

    @cached_property
    def sealed(self) -> Archive:
        """The same archive, into which everything is written encrypted for the readers, and can be read back.

        Where no key of this console fits, the run makes one of its own and forgets it: so the backup is read through
        even though nobody here can decrypt it afterwards.
        """
        keys = tuple(row.public_key for row in self.readers)
        own = age_keys.fitting(settings.OPSCONSOLE_HOME, keys)
        if own or not keys:
            return replace(self.archive, recipients=keys, identities=own)
        private, public = age_keys.passing()
        return replace(self.archive, recipients=(*keys, public), identities=(private,))


def first_store(database: Database, wanted: str = "") -> str:
    """The name of the store that takes a backup: the one asked for, else the first of the database's environment."""
    if wanted and wanted != stores.LOCAL:
        return stores.row_called(wanted).name
    return wanted or stores.names_for(database.environment)[0]


def stores_in_words(database: Database, first: str) -> str:
    """Where a backup goes, for people."""
    others = [name for name in stores.names_for(database.environment) if name != first]
    return f"{first}, and a copy in {' and '.join(others)} afterwards" if others else first


def readers_in_words(database: Database) -> str:
    """For whom a backup is encrypted, for people. Raises OperationFailed when a recipient is not the confirmed one."""
    found = recipients.of_database(database)
    if not found:
        return "none, for its environment has no recipients"
    return f"for {', '.join(row.label for row in found)}: only the private key of one of them opens it"


def planned_room(engine: Engine, chosen: Format, store: str) -> int:
    """`room_for` while somebody waits for a plan: a store that hangs is given seconds, and not minutes."""
    checking.require_answer(store)
    return room_for(engine, chosen, store)


def room_for(engine: Engine, chosen: Format, store: str) -> int:
    """An estimate of the backup's size in bytes. Raises Refused("no_space") when the store could not take it.

    A store that does not tell what is free is taken to have room; what it refuses later fails the backup.
    """
    needed = chosen.estimate_bytes(engine)
    free = stores.writing(store).free_bytes()
    reserve = settings.STORE_RESERVE_BYTES if store == stores.LOCAL else 0
    if free is not None and free < needed + reserve:
        raise Refused(
            "no_space",
            f"The backup may need {needed >> 20} MiB and the store {store} has {free >> 20} MiB free, "
            f"of which {reserve >> 20} MiB stay in reserve.",
            "Free space on the disk of the store, or choose another store (`manage.py store list`).",
        )
    return needed


def take(run: Run, spot: Spot, chosen: Format, *, role: str = "target", scope: Scope = WHOLE) -> Backup:
    """Write, read through, publish and list one backup. Raises OperationFailed, Cancelled, FenceLost."""
    engine = run.engine(role)
    room_for(engine, chosen, spot.store)
    started = now()
    contents = chosen.write(engine, spot.sealed, run, scope)
    made = prove(run, spot, engine, started, contents)
    publish(run, spot, made)
    return enlist(made, spot)


def prove(run: Run, spot: Spot, engine: Engine, started: datetime, contents: Contents) -> Manifest:
    """Read back in full what was written, and say what it is."""
    recipients.require_encrypted(contents, spot.readers)
    run.log(f"Reading the backup back: {len(contents.objects)} objects, {len(contents.tables)} tables.")
    format_of(engine.name, contents.format).read_through(spot.sealed, contents, run)
    finished = now()
    last = Backup.objects.present().filter(database=spot.database).order_by("-started_at").first()
    identity = engine.identity()
    return Manifest(
        backup=spot.folder,
        operation_id=spot.operation_id,
        fence=spot.fence,
        console=instance_id(),
        database=spot.database.name,
        environment=spot.database.environment.name,
        target_identity=identity.key,
        target_incarnation=identity.incarnation,
        engine=engine.name,
        server_version=identity.server_version,
        version_number=identity.version_number,
        started_at=rfc3339(started),
        finished_at=rfc3339(finished),
        contents=contents,
        encoding=str(identity.details.get("encoding", "")),
        verified="V1",
        verified_at=rfc3339(finished),
        previous=last.key if last else "",
        recipients=recipients.named(spot.readers),
        format=ENCRYPTED_FORMAT if spot.readers else MANIFEST_FORMAT,
    )


def publish(run: Run, spot: Spot, made: Manifest) -> None:
    """Write the manifest: the commit point of a backup that was asked for. Of twins it is that of the first."""
    data = manifests.sign(made, SigningKey.load(settings.OPSCONSOLE_HOME, "manifest"))
    requested = spot.purpose == Backup.Purpose.REQUESTED and not spot.twin
    with spot.archive.store.create(spot.archive.key(MANIFEST_NAME), part=spot.part) as writer:
        writer.write(data)
        writer.sync()
        if requested:
            run.before_commit(witness={"folder": spot.folder})
        else:
            run.check_cancel()
        try:
            writer.publish()
        except FileExistsError:
            raise _taken(spot) from None
    if requested:
        run.after_commit()
    run.failpoint("backup.manifest_renamed")


def _taken(spot: Spot) -> OperationFailed:
    return OperationFailed(
        "folder_taken",
        f"The folder {spot.folder} of the store {spot.store} holds a backup already.",
        "Rebuild the catalogue from that store (`manage.py store rebuild`), then ask for the operation again.",
    )


@transaction.atomic
def enlist(made: Manifest, spot: Spot) -> Backup:
    """The row and the event of a published backup, together with its twin; the same row when it is already listed."""
    found = Backup.objects.filter(key=made.backup, console="").first()
    if found is not None:
        return found
    other = beside(made, spot)
    twin = enlist(*other) if other and spot.twin is False else None
    row = Backup.objects.create(
        database=spot.database, operation_id=spot.operation_id, purpose=spot.purpose, twin=twin, **_columns(made)
    )
    if twin:
        Backup.objects.filter(pk=twin.pk).update(twin=row)
    _note_copies(row, spot)
    audit.record(
        "backup.published",
        operation=Operation.objects.get(pk=spot.operation_id),
        database=spot.database,
        subject=f"backup:{row.id}",
        data={
            "backup": row.id,
            "manifest": made.digest,
            "rows": made.rows,
            "bytes": made.stored_bytes,
            "purpose": str(spot.purpose),
            "store": spot.store,
        },
    )
    return row


def _columns(made: Manifest) -> dict[str, Any]:
    """What the row of a backup repeats of its manifest."""
    detail = f"read through in full when it was taken{_read_with(made)}"
    return {
        "key": made.backup,
        "format": made.contents.format,
        "engine": made.engine,
        "server_version": made.server_version,
        "identity": made.target_identity,
        "incarnation": made.target_incarnation,
        "schema_fingerprint": made.contents.schema_fingerprint,
        "manifest_sha256": made.digest,
        "recipients": " ".join(made.public_keys),
        "tables": len(made.contents.tables),
        "rows": made.rows,
        "stored_bytes": made.stored_bytes,
        "plain_bytes": made.plain_bytes,
        "started_at": datetime.fromisoformat(made.started_at),
        "finished_at": datetime.fromisoformat(made.finished_at),
        "checks": [{"level": made.verified, "at": made.verified_at, "ok": True, "detail": detail}],
        "part": made.contents.source.get(PART, ""),
    }


def _read_with(made: Manifest) -> str:
    """By which key an encrypted backup was read back, in words."""
    if not made.public_keys:
        return ""
    keys = recipients.openers(" ".join(made.public_keys))
    if keys:
        return f", decrypted with the key {keys[0].name} of this console"
    return ", decrypted with a key of that run alone, which is gone: no key on this console opened it then"


def _note_copies(row: Backup, spot: Spot) -> None:
    """It lies in its first store; the others of the environment want a copy, unless it is a safety backup."""
    good = BackupCopy.State.GOOD
    BackupCopy.objects.create(backup=row, store=spot.store, state=good, made_at=now(), verified_at=row.finished_at)
    Store.objects.filter(name=spot.store).update(written_at=now())
    if spot.purpose == Backup.Purpose.REQUESTED:
        for name in stores.names_for(spot.database.environment):
            if name != spot.store:
                BackupCopy.objects.create(backup=row, store=name, state=BackupCopy.State.MISSING)


def published(spot: Spot) -> Manifest | None:
    """The manifest of a run's backup, None when none was published. Raises OperationFailed when it is damaged."""
    try:
        with spot.archive.store.open(spot.archive.key(MANIFEST_NAME)) as stream:
            data = stream.read()
    except FileNotFoundError:
        return None
    return manifests.read(data, public_keys(settings.OPSCONSOLE_HOME, "manifest"))


def beside(made: Manifest, spot: Spot) -> tuple[Manifest, Spot] | None:
    """The other of two twins, published; None where there is none."""
    if not made.contents.source.get(TWIN):
        return None
    other = replace(spot, twin=not spot.twin)
    found = published(other)
    return (found, other) if found else None


def sound(backup: Backup) -> None:
    """Raise Refused unless a backup is there and its last check went well."""
    refuse_absent(backup)
    if backup.state != Backup.State.GOOD:
        raise Refused(
            "backup_bad",
            f"Backup {backup.id} failed its last check and cannot be restored.",
            "Choose another backup, and take a fresh one.",
        )
    if not any(check.get("ok") for check in backup.checks):
        raise OperationFailed(
            "backup_unchecked", f"Backup {backup.id} was never read through.", "Choose another backup."
        )
