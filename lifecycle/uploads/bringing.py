"""Files of this machine that somebody names on the command line, brought like those of a form."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lifecycle.models import Upload
from lifecycle.uploads.receiving import Receiving, refuse
from opsconsole.exceptions import OpsError, Usage
from opsconsole.models import Account, Database
from opsconsole.storage import chunks_of


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
