"""Handing out a backup: who may have it, once, and its folder as one tar stream in constant memory.

The page and the command share these functions. On an unprotected database the caller asks for the password and
downloads at once; on a protected one a confirmed `backup.download` change leaves a grant, which `begin` redeems.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from lifecycle.archives import manifest_bytes, manifest_of, store
from lifecycle.formats.base import StoredObject
from lifecycle.manifest import MANIFEST_NAME
from lifecycle.models import Backup, DownloadGrant
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.databases import protected
from opsconsole.exceptions import OperationFailed, Refused
from opsconsole.models import Account, Operation
from opsconsole.permissions import can
from opsconsole.storage import chunks_of

ACTION = "backup.download"  # the change request that leaves a grant
GRANT_MINUTES = 30  # from the last vote: long enough to notice it, too short to lie about
BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Download:
    """One download that has been granted and recorded: `size` is the exact number of bytes that `stream` gives."""

    backup: Backup
    filename: str
    size: int

    def stream(self) -> Iterator[bytes]:
        return stream_tar(self.backup)


def needs_approval(backup: Backup) -> bool:
    """Whether somebody else has to agree: the database is protected, under any of its names."""
    return protected(backup.database)


def usable_grant(backup: Backup, account: Account) -> DownloadGrant | None:
    """The grant of this account for this backup that is neither used nor over."""
    rows = DownloadGrant.objects.filter(backup=backup, account=account, used_at=None, expires_at__gt=now())
    return rows.order_by("-expires_at").first()


@transaction.atomic
def grant(backup: Backup, account: Account, operation: Operation | None = None) -> DownloadGrant:
    """A right to download this backup once within GRANT_MINUTES. Called by the confirmed change, or by `begin`."""
    at = now()
    right = DownloadGrant.objects.create(
        backup=backup,
        account=account,
        operation=operation,
        granted_at=at,
        expires_at=at + timedelta(minutes=GRANT_MINUTES),
    )
    told = {"backup": backup.id, "expires_at": right.expires_at.isoformat()}
    audit.record("backup.download_granted", database=backup.database, subject=f"backup {backup.id}", data=told)
    return right


@transaction.atomic
def begin(backup: Backup, account: Account) -> Download:
    """Redeem a grant (or, on an unprotected database, give one and redeem it) and record the download.

    Raises Refused: not_allowed (the role), needs_approval (protected and no grant), grant_used (lost a race).
    """
    if not can(account, "download", backup.database):
        raise Refused(
            "not_allowed",
            f"You may not download backups of {backup.database.name}.",
            "Ask an administrator for the role of engineer in its owner group.",
        )
    right = usable_grant(backup, account)
    if right is None and needs_approval(backup):
        raise Refused(
            "needs_approval",
            f"{backup.database.name} is protected, so downloading its backup needs another person's agreement.",
            f"Ask for the download of backup {backup.id}; once approved, you have {GRANT_MINUTES} minutes to fetch it.",
        )
    return redeem(right or grant(backup, account))


@transaction.atomic
def redeem(right: DownloadGrant) -> Download:
    """Use a grant up and record the download. Raises Refused when it was used, or its time is over."""
    at = now()
    if DownloadGrant.objects.filter(pk=right.pk, used_at=None, expires_at__gt=at).update(used_at=at) != 1:
        raise Refused(
            "grant_used",
            "This right to download was used already, or its time is over.",
            "Ask for the download again; every download needs a right of its own.",
        )
    backup = right.backup
    audit.record(
        "backup.downloaded",
        database=backup.database,
        operation=right.operation,
        subject=f"backup {backup.id}",
        data={"backup": backup.id, "bytes": backup.stored_bytes, "manifest": backup.manifest_sha256},
    )
    return Download(backup, filename_of(backup), tar_size(backup))


def filename_of(backup: Backup) -> str:
    """`savings-20261120T104501Z-backup-12.tar`: plain letters only, whatever the database is called."""
    return f"{backup.database.name}-{backup.started_at:%Y%m%dT%H%M%SZ}-backup-{backup.id}.tar"


def tar_size(backup: Backup) -> int:
    """The exact length of `stream_tar`."""
    manifest = manifest_bytes(backup)
    parts = [(MANIFEST_NAME, len(manifest)), *((item.key, item.size) for item in manifest_of(backup).contents.objects)]
    return sum(len(_header(backup, name, size)) + size + _padding(size) for name, size in parts) + 2 * BLOCK


def stream_tar(backup: Backup) -> Iterator[bytes]:
    """The backup's folder as a tar: manifest first, then every object it lists, hashed again on the way out.

    Raises OperationFailed("backup_damaged") before the end when the store gives other bytes than were signed, so that
    a damaged download is always an incomplete one.
    """
    manifest = manifest_bytes(backup)
    yield _header(backup, MANIFEST_NAME, len(manifest)) + manifest + bytes(_padding(len(manifest)))
    for item in manifest_of(backup).contents.objects:
        yield _header(backup, item.key, item.size)
        yield from _checked(backup, item)
        yield bytes(_padding(item.size))
    yield bytes(2 * BLOCK)


def _checked(backup: Backup, item: StoredObject) -> Iterator[bytes]:
    total, size = hashlib.sha256(), 0
    with store().open(f"{backup.key}/{item.key}") as stream:
        for chunk in chunks_of(stream):
            total.update(chunk)
            size += len(chunk)
            yield chunk
    if size != item.size or f"sha256:{total.hexdigest()}" != item.sha256:
        raise OperationFailed(
            "backup_damaged",
            f"The object {item.key} of backup {backup.id} is not what its manifest says.",
            "Verify the backup and take a fresh one.",
        )


def _header(backup: Backup, name: str, size: int) -> bytes:
    info = tarfile.TarInfo(f"{backup.database.name}-backup-{backup.id}/{name}")
    info.size = size
    info.mode = 0o600
    info.mtime = int(backup.started_at.timestamp())
    return info.tobuf(format=tarfile.PAX_FORMAT)


def _padding(size: int) -> int:
    return -size % BLOCK
