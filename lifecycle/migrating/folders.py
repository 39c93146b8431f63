"""Migration folders that were brought: kept in the store as one object each, listed, verified when they are opened.

From a path of the command line's machine, from a form in the browser, or from a path under OPSCONSOLE_ROOTS. What is
kept is what migration tools read (`gathering`), and never changed; plans hold the texts that they run themselves.
"""

from __future__ import annotations

import io
import os
import secrets
import tarfile
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from lifecycle.backups import archives
from lifecycle.migrating import roots, taking
from lifecycle.migrating.gathering import Gathering
from lifecycle.models import MigrationFolder
from lifecycle.sources.base import Folder
from lifecycle.uploads import sweeping
from lifecycle.uploads.receiving import STAMP, clean_name, refuse
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.exceptions import OperationFailed, Refused, Usage
from opsconsole.models import Account, Database
from opsconsole.permissions import visible_databases
from opsconsole.row_numbers import row_number

FOLDER = "folders"
ARRIVING = timedelta(hours=1)  # an unlisted object older than this was left behind
State, Way = MigrationFolder.State, MigrationFolder.Way


def from_path(database: Database, path: Path, account: Account) -> MigrationFolder:
    """Bring a folder, a zip or a tar of this machine, as the command line names it. Raises Usage, Refused.

    The same one again, brought last by the same account, is not kept twice: plans are asked for again and again.
    """
    refuse(database, account)
    folder, last = read_path(path), newest(database)
    if last is not None and last.received_by == account and _is_kept_as(last, folder):
        return last
    return keep(database, account, folder, Way.COMMAND)


def read_path(path: Path) -> Folder:
    """A folder, a zip or a tar of this machine, without keeping it. Raises Usage, Refused."""
    gathering = Gathering(clean_name(str(path.resolve())))
    if path.is_file():
        with taking.opened_file(path) as stream:
            taking.from_archive(gathering, stream)
        return gathering.unwrapped()
    with taking.opened(os.path.realpath(path)) as descriptor:
        taking.from_folder(gathering, descriptor)
    return gathering.folder()


def from_root(database: Database, path: str, account: Account) -> MigrationFolder:
    """Bring a folder of the console's machine, below one of OPSCONSOLE_ROOTS. Raises Usage, Refused."""
    refuse(database, account)
    return keep(database, account, read_root(database, path), Way.ROOT)


def read_root(database: Database, path: str) -> Folder:
    """What lies below a path under OPSCONSOLE_ROOTS now, for a request about that database. Raises Usage, Refused."""
    start, below = roots.parts_of(path, database)
    gathering = Gathering(clean_name(path))
    with taking.opened(start, below) as descriptor:
        taking.from_folder(gathering, descriptor)
    return gathering.folder()


def from_upload(database: Database, account: Account, given: Sequence[tuple[str, IO[bytes]]]) -> MigrationFolder:
    """Bring what a form sent: (path, content) of each file, or one archive. Raises Usage, Refused."""
    refuse(database, account)
    name = given[0][0].partition("/")[0] if given else "nothing"
    gathering = Gathering(clean_name(name))
    if len(given) == 1 and taking.is_archive(given[0][1]):
        taking.from_archive(gathering, given[0][1])
    else:
        for path, stream in given:
            if gathering.wants(path):
                gathering.add(path, stream.read(gathering.room() + 1))
    return keep(database, account, gathering.unwrapped(), Way.UPLOAD)


def keep(database: Database, account: Account, folder: Folder, way: str) -> MigrationFolder:
    """Put a folder into the store and list it."""
    at, token = now(), secrets.token_hex(8)
    key = f"{FOLDER}/{at:{STAMP}}-{token}/{folder.digest.removeprefix('sha256:')}.tar"
    data = _packed(folder)
    store = archives.store()
    free = store.free_bytes()
    if free is not None and free < len(data) + settings.STORE_RESERVE_BYTES:
        raise Refused("no_space", "The store has no space left for the folder.", "Free space on its disk.")
    with store.create(key, part=token) as writer:
        writer.write(data)
        writer.publish()
    try:
        return _enlist(database, account, folder, way, key, at)
    except BaseException:
        sweeping.remove(key.rpartition("/")[0])
        raise


def open_folder(row: MigrationFolder) -> Folder:
    """The folder as it was brought. Raises Refused("folder_gone"), OperationFailed("folder_damaged")."""
    if row.state == State.EXPIRED:
        raise Refused(
            "folder_gone", f"Folder {row.pk} was kept until {row.expires_at:%Y-%m-%d %H:%M} UTC.", "Bring it again."
        )
    try:
        with archives.store().open(row.key) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            files = dict(_members(archive))
    except (FileNotFoundError, tarfile.TarError, EOFError) as error:
        raise _damaged(row) from error
    folder = Folder(name=row.name, files=files)
    if folder.digest != row.digest:
        raise _damaged(row)
    return folder


def visible(account: Account | None) -> QuerySet[MigrationFolder]:
    """The folders for databases that the account may see; all of them for nobody in particular, at a shell."""
    rows = MigrationFolder.objects.select_related("database", "received_by__person")
    return rows if account is None else rows.filter(database__in=visible_databases(account))


def newest(database: Database) -> MigrationFolder | None:
    """The one that was brought last for a database, as long as it is kept."""
    return MigrationFolder.objects.filter(database=database, state=State.KEPT).first()


def find(database: Database, wanted: str) -> MigrationFolder:
    """The folder of that number that was brought for the database; the newest for "". Raises Usage."""
    rows = MigrationFolder.objects.filter(database=database)
    found = rows.filter(pk=row_number(wanted)).first() if wanted else newest(database)
    if found is None:
        listed = ", ".join(f"{row.pk} ({row.name})" for row in rows.filter(state=State.KEPT)[:10])
        raise Usage(
            "unknown_folder",
            f"No folder{f' {wanted}' if wanted else ''} was brought for {database.name}.",
            f"There are: {listed}."
            if listed
            else "Bring it on its page of migrations (on the command line: folder=PATH).",
        )
    return found


def drop_expired() -> int:
    """Let go of folders whose time is over; gives back how many. The row goes first, `tidy` goes on after a kill."""
    due = MigrationFolder.objects.filter(state=State.KEPT, expires_at__lte=now()).select_related("database")
    return sum(_drop(row) for row in due.order_by("pk")[:20])


def tidy() -> int:
    """Remove from the store what no row keeps, and give back how many that were."""
    kept, gone = _folders(State.KEPT), _folders(State.EXPIRED)
    return sweeping.tidy(FOLDER, kept=kept, gone=gone, arriving=ARRIVING)


@transaction.atomic
def _enlist(database: Database, account: Account, folder: Folder, way: str, key: str, at: datetime) -> MigrationFolder:
    row = MigrationFolder.objects.create(
        database=database,
        name=folder.name,
        way=way,
        key=key,
        digest=folder.digest,
        files=len(folder.files),
        size=sum(map(len, folder.files.values())),
        received_by=account,
        received_at=at,
        expires_at=at + timedelta(days=settings.FOLDER_DAYS),
    )
    told: dict[str, Any] = {"folder": row.pk, "files": row.files, "bytes": row.size, "digest": row.digest, "way": way}
    told["expires_at"] = row.expires_at.isoformat()
    audit.record("folder.received", database=database, subject=f"folder {row.pk} ({row.name})", data=told)
    return row


def _drop(row: MigrationFolder) -> bool:
    with transaction.atomic():
        mine = MigrationFolder.objects.filter(pk=row.pk, state=State.KEPT)
        if not mine.update(state=State.EXPIRED, ended_at=now()):
            return False
        told = {"folder": row.pk, "bytes": row.size}
        audit.record("folder.expired", database=row.database, subject=f"folder {row.pk} ({row.name})", data=told)
    sweeping.remove(row.key.rpartition("/")[0])
    return True


def _folders(state: str) -> set[str]:
    keys = MigrationFolder.objects.filter(state=state).values_list("key", flat=True)
    return {key.rpartition("/")[0] for key in keys.iterator()}


def _is_kept_as(row: MigrationFolder, folder: Folder) -> bool:
    """Whether a row is that very folder, whole in the store, and kept for a good while yet."""
    if (row.digest, row.name) != (folder.digest, folder.name):
        return False
    if row.expires_at < now() + timedelta(days=settings.FOLDER_DAYS) / 2:
        return False
    try:
        return open_folder(row).files == folder.files
    except OperationFailed:
        return False  # damaged: it is brought again


def _packed(folder: Folder) -> bytes:
    """One tar of all files; equal folders make equal tars."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in sorted(folder.files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return sink.getvalue()


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        if content := archive.extractfile(member):
            yield member.name, content.read()


def _damaged(row: MigrationFolder) -> OperationFailed:
    return OperationFailed(
        "folder_damaged", f"What the store holds of folder {row.pk} is not what was brought.", "Bring it again."
    )
