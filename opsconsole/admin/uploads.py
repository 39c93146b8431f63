"""Where an uploaded table lies between its preview and its confirmation.

django-import-export opens, and afterwards removes, whatever file of the temporary folder the confirming form names.
Here only files that were put there by an upload are opened.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from import_export.tmp_storages import BaseStorage

FORGOTTEN_SECONDS = 3600  # an upload that nobody confirmed is removed by the next one
_NAME = re.compile(r"[0-9a-f]{32}")


class UploadFolder(BaseStorage):
    """Files in the console's home, private, under random names. Raises SuspiciousFileOperation for any other name."""

    def save(self, data: bytes) -> None:
        self.name = secrets.token_hex(16)
        _sweep(_folder())
        fd = os.open(self._path(), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(data)

    def read(self) -> Any:
        path = self._path()
        if not path.is_file():
            raise SuspiciousFileOperation("That upload is not there any more: upload the file again.")
        return path.read_bytes() if "b" in self.read_mode else path.read_text(encoding=self.encoding)

    def remove(self) -> None:
        self._path().unlink(missing_ok=True)

    def _path(self) -> Path:
        if not _NAME.fullmatch(str(self.name)):
            raise SuspiciousFileOperation("That is no name of an upload.")
        return _folder() / str(self.name)


def _folder() -> Path:
    folder = Path(settings.OPSCONSOLE_HOME) / "imports"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _sweep(folder: Path) -> None:
    for path in folder.iterdir():
        if time.time() - path.stat().st_mtime > FORGOTTEN_SECONDS:
            path.unlink(missing_ok=True)
