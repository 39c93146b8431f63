"""Taking files in: streamed into the store in constant memory, and there as a whole or not at all.

The pages and the command line share this. Until `keep`, what has arrived lies in part files that nobody can read; a
process that dies on the way leaves those, and the tick removes them (`lifecycle.uploads.listing.tidy`).
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import unicodedata
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from lifecycle.backups import archives
from lifecycle.documents.limits import Limits
from lifecycle.models import Upload
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Database
from opsconsole.permissions import can, visible_databases
from opsconsole.plans import canonical_json, digest_of
from opsconsole.storage import ObjectWriter

FOLDER = "uploads"
STAMP = "%Y%m%dT%H%M%SZ"
MOST_FILES = Limits().files  # more than that are not read either
LONGEST_NAME = 200


class Arriving:
    """One file on its way."""

    def __init__(self, receiving: Receiving, name: str, key: str, writer: ObjectWriter) -> None:
        self.name, self.key, self.size = name, key, 0
        self.writer = writer
        self._receiving = receiving
        self._sha256 = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Raises Refused("too_large"), or OperationFailed("disk_full") and its kin."""
        self._receiving.grow(len(data))
        self.writer.write(data)
        self._sha256.update(data)
        self.size += len(data)

    def facts(self) -> dict[str, Any]:
        return {"name": self.name, "key": self.key, "size": self.size, "sha256": "sha256:" + self._sha256.hexdigest()}


class Receiving:
    """Some files that arrive together. Whoever makes one calls `keep`, and `discard` in any case."""

    def __init__(self) -> None:
        self._store = archives.store()
        self.token = secrets.token_hex(8)
        self.folder = f"{FOLDER}/{now():{STAMP}}-{self.token}"
        self.files: list[Arriving] = []
        self.size = 0
        self._kept = False
        self._published: list[str] = []

    def expect(self, size: int) -> None:
        """Look whether so many bytes may come. Raises Refused: too_large, no_space."""
        if size > settings.UPLOAD_MAX_BYTES:
            raise _too_large()
        free, reserve = self._store.free_bytes(), settings.STORE_RESERVE_BYTES
        if free is not None and free < size + reserve:
            raise Refused(
                "no_space",
                f"The upload has {size >> 20} MiB and the store has {free >> 20} MiB free, of which "
                f"{reserve >> 20} MiB stay in reserve.",
                "Free space on the disk of the store, then bring the files again.",
            )

    def begin(self, name: str) -> Arriving:
        """The next file, called `name` by whoever brings it. Raises Refused("too_many_files")."""
        if len(self.files) >= MOST_FILES:
            raise Refused(
                "too_many_files", f"An upload has at most {MOST_FILES} files.", "Bring only the files of one backup."
            )
        key = f"raw/{len(self.files) + 1:04}"
        writer = self._store.create(f"{self.folder}/{key}", part=self.token)
        arriving = Arriving(self, self._own_name(name), key, writer)
        self.files.append(arriving)
        return arriving

    def grow(self, size: int) -> None:
        """Count bytes that arrive. Raises Refused("too_large")."""
        self.size += size
        if self.size > settings.UPLOAD_MAX_BYTES:
            raise _too_large()

    def keep(self, database: Database, account: Account) -> Upload:
        """Make everything durable and list it. Raises Usage("empty_upload"), or what a disk raises."""
        if not any(arriving.size for arriving in self.files):
            raise Usage(
                "empty_upload", "There is nothing in what was brought.", "Choose at least one file with content."
            )
        for arriving in self.files:
            arriving.writer.publish()
            self._published.append(arriving.writer.key)
        row = self._enlist(database, account)
        self._kept = True
        return row

    def discard(self) -> None:
        """Remove what has arrived, unless it was kept."""
        if self._kept:
            return
        for arriving in self.files:
            arriving.writer.discard()
        for key in self._published:
            with contextlib.suppress(FileNotFoundError):
                self._store.delete(key)
        self._store.remove_folder(self.folder)
        self.files, self._published = [], []

    @transaction.atomic
    def _enlist(self, database: Database, account: Account) -> Upload:
        files, at = [arriving.facts() for arriving in self.files], now()
        row = Upload.objects.create(
            database=database,
            key=self.folder,
            files=files,
            digest=content_digest((each["name"], each["sha256"]) for each in files),
            size=self.size,
            received_by=account,
            received_at=at,
            expires_at=at + timedelta(days=settings.UPLOAD_DAYS),
        )
        told = {"upload": row.pk, "files": len(files), "bytes": row.size, "digest": row.digest}
        told["expires_at"] = row.expires_at.isoformat()
        audit.record("upload.received", database=database, subject=f"upload {row.pk}", data=told)
        return row

    def _own_name(self, name: str) -> str:
        """The name cleaned, and different from that of every other file."""
        cleaned, taken = clean_name(name), {arriving.name for arriving in self.files}
        found, number = cleaned, 1
        while found in taken:
            number += 1
            found = f"{number}-{cleaned}"
        return found


def content_digest(files: Iterable[tuple[str, str]]) -> str:
    """Over (name, sha256) of each file, in their order: what tells one upload from another."""
    return digest_of(canonical_json([list(each) for each in files]))


def clean_name(name: str) -> str:
    """The last part of a path in plain printable characters, at most LONGEST_NAME of them; never empty."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = "".join("_" if unicodedata.category(each)[0] in "CZ" and each != " " else each for each in last)
    return shown.strip(" .")[-LONGEST_NAME:] or "file"


def refuse(database: Database, account: Account) -> None:
    """Raise Refused unless the account may bring files for that database: whoever may ask for a restore there."""
    visible = visible_databases(account).filter(pk=database.pk).exists()
    if not visible or not can(account, "request", database):
        raise Refused(
            "not_allowed",
            f"Your role does not let you bring files for {database.name}.",
            f"Ask an engineer of {database.owner_group}.",
        )


def _too_large() -> Refused:
    most = settings.UPLOAD_MAX_BYTES
    return Refused(
        "too_large",
        f"An upload may have {most >> 20} MiB in all, and this one has more.",
        "Compress it (gzip, zstd), or let an operator raise OPSCONSOLE_UPLOAD_MAX_BYTES.",
    )
