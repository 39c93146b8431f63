"""Files of this machine that somebody names on the command line, brought like those of a form."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from lifecycle.backups import archives
from lifecycle.models import Inspection, Upload
from lifecycle.uploads.receiving import Receiving, clean_name, content_digest, refuse
from opsconsole.clock import now
from opsconsole.exceptions import OpsError, Usage
from opsconsole.models import Account, Database
from opsconsole.storage import chunks_of, sha256_of

USABLE = (Upload.State.RECEIVED, Upload.State.INSPECTING, Upload.State.READABLE)


def from_path(database: Database, path: Path, account: Account) -> Upload:
    """Bring a file, or the files directly in a folder. Raises Usage, Refused, or what a disk raises."""
    refuse(database, account)
    paths = _files_of(path)
    receiving = Receiving()
    try:
        receiving.expect(sum(each.stat().st_size for each in paths))
        for each in paths:
            with _plain(each) as stream:
                arriving = receiving.begin(each.name)
                for piece in chunks_of(stream):
                    arriving.write(piece)
        return receiving.keep(database, account)
    finally:
        receiving.discard()


def brought_already(database: Database, path: Path, account: Account) -> Upload | None:
    """The newest usable upload of the very same files that this account brought, if it is kept for a good while yet.

    So a plan, the same plan again, and the request after it make one copy. Raises what `from_path` does.
    """
    refuse(database, account)
    paths = _files_of(path)
    rows = Upload.objects.filter(database=database, received_by=account, state__in=USABLE)
    rows = rows.filter(size=sum(each.stat().st_size for each in paths))
    rows = rows.filter(expires_at__gt=now() + timedelta(days=settings.UPLOAD_DAYS) / 2).order_by("-id")
    if not rows.exists():
        return None  # most often; the files need not be read for that
    digest = content_digest((clean_name(each.name), _sha256(each)) for each in paths)
    return next((row for row in rows.filter(digest=digest) if _is_there(row)), None)


def _sha256(path: Path) -> str:
    with _plain(path) as stream:
        return sha256_of(stream)


def _is_there(upload: Upload) -> bool:
    """Whether the store has every object of it, and of the document that was made of it, in its size."""
    wanted = {f"{upload.key}/{each['key']}": each["size"] for each in upload.files}
    for row in Inspection.objects.filter(upload=upload):
        wanted |= {f"{row.key}/{each['key']}": each["size"] for each in row.contents["objects"]}
    return wanted.items() <= archives.store().sizes(upload.key).items()


def _files_of(path: Path) -> list[Path]:
    """The file itself, or a folder's own plain files by name; what begins with a dot is left out."""
    if not path.is_dir():
        if not path.is_file():
            raise Usage("no_file", f"There is no file {path} on this machine.", "Give the path of a file or a folder.")
        return [path]
    found = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
    if not found:
        raise Usage("no_file", f"The folder {path} holds no files.", "Give the folder that holds the backup's files.")
    return found


@contextmanager
def _plain(path: Path) -> Iterator[BinaryIO]:
    """A plain file, opened without waiting for a device or a pipe that took its place meanwhile."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise OpsError("unreadable_file", f"{path} cannot be opened ({os.strerror(error.errno or 0)}).") from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Usage("no_file", f"{path} is no plain file.", "Give the path of a file or a folder.")
        yield stream
