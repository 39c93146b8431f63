"""Handing out a backup or a patch: who may have it, once, and its folder as one tar stream in constant memory.

The pages and the commands share these functions. On an unprotected database the caller asks for the password and
downloads at once; on a protected one a confirmed change (see `action`) leaves a grant, which `begin` redeems.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction

from lifecycle.backups.archives import INSTEAD, manifest_bytes, manifest_of, store_of
from lifecycle.backups.manifest import MANIFEST_NAME
from lifecycle.backups.uses import refuse_absent
from lifecycle.formats.base import StoredObject
from lifecycle.models import Backup, DownloadGrant, Patch, Stored
from lifecycle.patches import listing
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.databases import protected
from opsconsole.exceptions import OperationFailed, Refused
from opsconsole.models import Account, Operation
from opsconsole.permissions import can
from opsconsole.storage import chunks_of

GRANT_MINUTES = 30  # from the last vote: long enough to notice it, too short to lie about
BLOCK = tarfile.BLOCKSIZE
PLURAL = {"backup": "backups", "patch": "patches"}


@dataclass(frozen=True)
class Download:
    """One download that has been granted and recorded: `size` is the exact number of bytes that `stream` gives."""

    item: Stored
    filename: str
    size: int

    def stream(self) -> Iterator[bytes]:
        return stream_tar(self.item)


def action(item: Stored) -> str:
    """The change request that leaves a grant: `backup.download`, `patch.download`."""
    return f"{item.noun}.download"


def needs_approval(item: Stored) -> bool:
    """Whether somebody else has to agree: the database is protected, under any of its names."""
    return protected(item.database)


def refuse(item: Stored, account: Account | None) -> None:
    """Raise Refused: patch_gone, backup_in_trash, backup_deleted, or not_allowed.

    That is about the role; a shell without a token is nobody to give it to.
    """
    refuse_gone(item)
    if account is None or not can(account, "download", item.database):
        raise Refused(
            "not_allowed",
            f"Your role does not let you download {PLURAL[item.noun]} of {item.database.name}.",
            f"Ask an engineer of {item.database.owner_group}.",
        )


def refuse_gone(item: Stored) -> None:
    """Raise Refused when it is not there any more: a patch whose time is over, a backup in the trash or deleted."""
    if isinstance(item, Backup):
        refuse_absent(item)
    else:
        listing.refuse_gone(item)


def is_there(item: Stored) -> bool:
    """Whether it can still be downloaded by somebody."""
    return item.is_present if isinstance(item, Backup) else item.state == Patch.State.KEPT


def usable_grant(item: Stored, account: Account) -> DownloadGrant | None:
    """The grant of this account for this very thing that is neither used nor over."""
    rows = DownloadGrant.objects.filter(account=account, used_at=None, expires_at__gt=now())
    return rows.filter(**{item.noun: item}).order_by("-expires_at").first()


@transaction.atomic
def grant(item: Stored, account: Account, operation: Operation | None = None) -> DownloadGrant:
    """A right to download this once within GRANT_MINUTES. Called by the confirmed change, or by `begin`."""
    at = now()
    right = DownloadGrant.objects.create(
        account=account,
        operation=operation,
        granted_at=at,
        expires_at=at + timedelta(minutes=GRANT_MINUTES),
        **{item.noun: item},
    )
    _record("download_granted", item, expires_at=right.expires_at.isoformat())
    return right


@transaction.atomic
def begin(item: Stored, account: Account) -> Download:
    """Redeem a grant (or, on an unprotected database, give one and redeem it) and record the download.

    Raises Refused: what `refuse` raises, needs_approval (protected, no grant), grant_used (lost a race).
    """
    refuse(item, account)
    right = usable_grant(item, account)
    if right is None and needs_approval(item):
        raise Refused(
            "needs_approval",
            f"{item.database.name} is protected, so downloading its {item.noun} needs another person's agreement.",
            f"Ask for the download of {item.noun} {item.pk}; once approved, you have {GRANT_MINUTES} minutes for it.",
        )
    return redeem(right or grant(item, account))


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
    item = right.item
    _record("downloaded", item, right.operation, bytes=item.stored_bytes, manifest=item.manifest_sha256)
    return Download(item, filename_of(item), tar_size(item))


def _record(what: str, item: Stored, operation: Operation | None = None, **told: Any) -> None:
    subject = f"{item.noun} {item.pk}"
    data = {item.noun: item.pk, **told}
    audit.record(f"{item.noun}.{what}", database=item.database, operation=operation, subject=subject, data=data)


def filename_of(item: Stored) -> str:
    """`savings-20261120T104501Z-backup-12.tar`: plain letters only, whatever the database is called."""
    return f"{item.database.name}-{item.taken_at:%Y%m%dT%H%M%SZ}-{item.noun}-{item.pk}.tar"


def tar_size(item: Stored) -> int:
    """The exact length of `stream_tar`."""
    manifest = manifest_bytes(item)
    parts = [(MANIFEST_NAME, len(manifest)), *((each.key, each.size) for each in manifest_of(item).contents.objects)]
    return sum(len(_header(item, name, size)) + size + _padding(size) for name, size in parts) + 2 * BLOCK


def stream_tar(item: Stored) -> Iterator[bytes]:
    """Its folder as a tar: manifest first, then every object it lists, hashed again on the way out.

    Raises OperationFailed("backup_damaged", "patch_damaged") before the end when the store gives other bytes than were
    signed, so that a damaged download is always an incomplete one.
    """
    manifest = manifest_bytes(item)
    yield _header(item, MANIFEST_NAME, len(manifest)) + manifest + bytes(_padding(len(manifest)))
    for each in manifest_of(item).contents.objects:
        yield _header(item, each.key, each.size)
        yield from _checked(item, each)
        yield bytes(_padding(each.size))
    yield bytes(2 * BLOCK)


def _checked(item: Stored, part: StoredObject) -> Iterator[bytes]:
    total, size = hashlib.sha256(), 0
    with store_of(item).open(f"{item.key}/{part.key}") as stream:
        for chunk in chunks_of(stream):
            total.update(chunk)
            size += len(chunk)
            yield chunk
    if size != part.size or f"sha256:{total.hexdigest()}" != part.sha256:
        raise OperationFailed(
            f"{item.noun}_damaged",
            f"The object {part.key} of {item.noun} {item.pk} is not what its manifest says.",
            f"Look at the disk of the store, and {INSTEAD[item.noun]}.",
        )


def _header(item: Stored, name: str, size: int) -> bytes:
    info = tarfile.TarInfo(f"{item.database.name}-{item.noun}-{item.pk}/{name}")
    info.size = size
    info.mode = 0o600
    info.mtime = int(item.taken_at.timestamp())
    return info.tobuf(format=tarfile.PAX_FORMAT)


def _padding(size: int) -> int:
    return -size % BLOCK
