"""What a restore of data takes its rows from: an upload that was inspected, or a portable backup of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifecycle.backups import archives, choices, taking
from lifecycle.documents.base import Document
from lifecycle.documents.stored import open_stored
from lifecycle.encryption import recipients
from lifecycle.models import Backup, Upload
from lifecycle.models.backups import PORTABLE
from lifecycle.uploads import inspection, listing
from opsconsole.exceptions import Usage
from opsconsole.kinds import Request
from opsconsole.models import Database


@dataclass(frozen=True, kw_only=True)
class Source:
    """Rows to restore, and the digest of exactly these. `name` is what sentences call it: "upload 5", "backup 12"."""

    name: str
    item: Upload | Backup
    digest: str

    @property
    def database(self) -> Database:
        """The database that it came from, or was brought for."""
        return self.item.database

    @property
    def parameters(self) -> dict[str, str]:
        """By which a run finds it again."""
        return {self.item.noun: str(self.item.pk)}

    def open(self, workdir: Path | None = None) -> Document:
        """Its rows. Raises Refused or OperationFailed when they are not there any more."""
        if isinstance(self.item, Upload):
            return inspection.document_of(self.item, workdir)
        contents = archives.manifest_of(self.item).contents
        return open_stored(archives.archive_of(self.item), contents, workdir=workdir)

    def refuse_locked(self) -> None:
        """Raise Refused for an encrypted backup that no key at hand opens."""
        if isinstance(self.item, Backup):
            recipients.refuse_locked(self.name.capitalize(), self.item.recipients.split())

    @property
    def told(self) -> str:
        """Where it comes from, for a plan's evidence."""
        if isinstance(self.item, Upload):
            brought = f"{self.item.received_at:%Y-%m-%d %H:%M:%S} UTC"
            return f"{self.item.pk}, {self.item.title}, brought {brought}"
        return f"{self.item.pk}, taken {self.item.started_at:%Y-%m-%d %H:%M:%S} UTC, {self.item.rows} rows"


def asked(request: Request, backups_of: Database) -> Source | None:
    """The document that somebody asks to restore; None for a backup that is restored as a whole.

    A portable backup is either: with a method it is put back whole, with the definitions that lie beside its rows.
    Raises Usage for what there is not, Refused for what cannot be used.
    """
    wanted = request.parameters["upload"]
    if wanted:
        if request.parameters["source"]:
            raise Usage("two_sources", "An upload is no backup of another database.", "Leave source empty.")
        rows = Upload.objects.select_related("database__environment")
        rows = rows if request.visible is None else rows.filter(database__in=request.visible)
        return of_upload(listing.find(rows, wanted))
    backup = choices.choose(backups_of, request.parameters["backup"])
    return of_backup(backup) if backup.format == PORTABLE and not request.parameters["method"] else None


def planned(parameters: Mapping[str, Any]) -> Source | None:
    """The document of a sealed plan; None for a backup that is restored as a whole."""
    if parameters.get("upload"):
        return of_upload(Upload.objects.select_related("database").get(pk=int(parameters["upload"])))
    backup = Backup.objects.select_related("database").get(pk=int(parameters["backup"]))
    return of_backup(backup) if backup.format == PORTABLE else None


def of_upload(upload: Upload) -> Source:
    """Raises Refused: upload_gone, not_inspected, upload_refused."""
    return Source(name=f"upload {upload.pk}", item=upload, digest=inspection.sound(upload).document_sha256)


def of_backup(backup: Backup) -> Source:
    """Raises Refused for one that failed its last check."""
    taking.sound(backup)
    return Source(name=f"backup {backup.pk}", item=backup, digest=archives.manifest_of(backup).digest)
