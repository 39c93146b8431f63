"""A patch: the rows that a restore takes away because only the live database had them, kept in the store.

    patches/DATABASE/OPERATION-FENCE/data/0001.zst   the rows of one table, as the vendor's module writes them
    patches/DATABASE/OPERATION-FENCE/manifest.json   signed like a backup's, published last

It is taken when the copy is ready, right before it goes live, so rows that are written between these two moments are
not in it; nor are rows that the restore sets back, and tables that the backup does not hold. `reapply` puts it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from django.conf import settings

from lifecycle import loss
from lifecycle.backups import archives
from lifecycle.backups import manifest as manifests
from lifecycle.backups.manifest import MANIFEST_NAME, Manifest, rfc3339
from lifecycle.encryption import recipients
from lifecycle.formats.base import Archive, Contents, StoredObject, TableContent
from lifecycle.formats.streams import ArchiveWriter, CompressingWriter
from lifecycle.loss.sides import Asked, Row, Side
from lifecycle.models import Recipient
from opsconsole.engines.base import Engine
from opsconsole.exceptions import OperationFailed, Refused
from opsconsole.instance import instance_id
from opsconsole.keys import SigningKey, public_keys
from opsconsole.kinds import Run
from opsconsole.models import Database

FORMAT, REJECTED = "patch", "rejects"
WITHOUT_LIMIT = loss.Limits(exact_rows=1 << 62, sample_rows=0, seconds=6 * 3600.0)


@dataclass(frozen=True)
class Place:
    """Where the patch of one run lies."""

    database: Database
    operation_id: int
    fence: int

    @property
    def archive(self) -> Archive:
        folder = f"patches/{self.database.name}/{self.operation_id}-{self.fence}"
        return Archive(store=archives.store(), folder=folder, part=f"{self.operation_id}.{self.fence}")

    @cached_property
    def readers(self) -> list[Recipient]:
        """For whom it is encrypted. Raises OperationFailed when one is not what was confirmed."""
        return recipients.of_database(self.database)

    @property
    def writing(self) -> Archive:
        """The same archive, into which everything is written encrypted for the readers."""
        return replace(self.archive, recipients=tuple(row.public_key for row in self.readers))


def refuse(preview: loss.LossPreview) -> None:
    """Raise Refused where the plan of a restore shows rows that no patch could hold."""
    blind = [t.noun for t in preview.tables if t.rows_other is not None and t.rows_live and not t.comparable]
    if blind:
        raise Refused(
            "no_patch",
            f"The rows of {', '.join(blind[:3])} cannot be compared with the backup's, so a patch would lack some.",
            "Ask for the restore without patch=yes; what it replaces is kept for a while.",
        )


def take(run: Run, archive: Archive, source: Manifest, name: str) -> None:
    """Write and publish the patch of a restore of `source` out of `archive`.

    Raises OperationFailed when a table cannot be compared.
    """
    place = Place(run.database(), run.operation_id, run.fence)
    engine = run.engine()
    writing = _Writing(place.writing)
    run.log("Keeping the rows that only the live database has.")
    preview = loss.of_backup(engine, archive, source, name, WITHOUT_LIMIT, writing.keep)
    common = [table for table in preview.tables if table.rows_live and table.rows_other is not None]
    for table in common:
        kept = next((each.rows for each in writing.tables if each.name == table.table), 0)
        if not table.exact or kept != table.only_live:
            raise OperationFailed(
                "no_patch",
                f"The rows of {table.noun} could not be kept in a patch ({table.note or 'they changed meanwhile'}).",
                "Ask for the restore again, or without patch=yes.",
            )
    _publish(run, place, engine, source, writing)
    run.log(f"The patch holds {sum(table.rows for table in writing.tables)} rows.")


def published(place: Place) -> Manifest | None:
    """The manifest of a run's patch, None when none was published. Raises OperationFailed when it is damaged."""
    try:
        with archives.store().open(place.archive.key(MANIFEST_NAME)) as stream:
            return manifests.read(stream.read(), public_keys(settings.OPSCONSOLE_HOME, "manifest"))
    except FileNotFoundError:
        return None


def sweep(archive: Archive) -> None:
    """Remove a folder that nobody lists, and what the run that `archive.part` names has begun in it."""
    archive.store.sweep(archive.folder, part=archive.part)
    for key in archive.store.keys(archive.folder):
        archive.store.delete(key)
    archive.store.remove_folder(f"{archive.folder}/data")
    archive.store.remove_folder(archive.folder)


class _Writing:
    """Takes the rows of one table after the other into objects of the store."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.tables: list[TableContent] = []
        self.objects: list[StoredObject] = []
        self.shapes: dict[str, Any] = {}

    def keep(self, live: Side, asked: Asked, rows: Iterator[Row]) -> None:
        key = f"data/{len(self.objects) + 1:04d}.zst"
        counted = 0

        def counting() -> Iterator[Row]:
            nonlocal counted
            for row in rows:
                counted += 1
                yield row

        with ArchiveWriter(self._archive, key) as writer:
            packer = CompressingWriter(writer)
            for data in live.stream(asked, counting()):
                packer.write(data)
            stored = packer.finish()
            writer.publish()
        self.objects.append(stored)
        columns = asked.shape.names
        self.tables.append(
            TableContent(name=asked.table, rows=counted, digest=stored.plain_sha256, objects=(key,), columns=columns)
        )
        self.shapes[asked.table] = {
            "columns": [list(column) for column in asked.shape.columns],
            "key": list(asked.shape.key),
            "form": asked.form,
        }


def _publish(run: Run, place: Place, engine: Engine, source: Manifest, writing: _Writing) -> None:
    contents = Contents(
        format=FORMAT,
        format_version=1,
        objects=tuple(writing.objects),
        tables=tuple(writing.tables),
        schema_fingerprint=engine.schema_fingerprint(),
        source={
            "engine": engine.name,
            "encoding": source.contents.source.get("encoding", ""),
            "shapes": writing.shapes,
            "besides": source.backup,
        },
    )
    run.check_cancel()
    seal(place, engine, contents)


def seal(place: Place, engine: Engine, contents: Contents) -> None:
    """Publish the signed manifest of what lies in a place."""
    who, at = engine.identity(), rfc3339(datetime.now(UTC))
    made = Manifest(
        backup=place.archive.folder, operation_id=place.operation_id, fence=place.fence, console=instance_id(),
        database=place.database.name, environment=place.database.environment.name, target_identity=who.key,
        target_incarnation=who.incarnation, engine=engine.name, server_version=who.server_version,
        version_number=who.version_number, started_at=at, finished_at=at, contents=contents, verified="",
        recipients=recipients.named(place.readers),
        format=manifests.ENCRYPTED_FORMAT if place.readers else manifests.MANIFEST_FORMAT,
    )  # fmt: skip
    recipients.require_encrypted(contents, place.readers)
    data = manifests.sign(made, SigningKey.load(settings.OPSCONSOLE_HOME, "manifest"))
    with place.archive.store.create(place.archive.key(MANIFEST_NAME), part=place.archive.part) as writer:
        writer.write(data)
        writer.publish()
