"""A store in a folder of this machine."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO

from opsconsole.storage.base import PART, Facts, ObjectWriter, Store, check_key
from opsconsole.storage.disks import disk_errors


class FolderStore(Store):
    """A store in a folder of this machine: directories 0700, files 0600, every publication fsynced."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with disk_errors(f"the store {root}"):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """The file of a key. Raises Refused for a key that could leave the store."""
        return self.root / check_key(key)

    def create(self, key: str, *, part: str) -> FolderWriter:
        target = self.path(key)
        with disk_errors(key):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FolderWriter(key, target, target.with_name(f"{target.name}.{part}{PART}"))

    def open(self, key: str) -> BinaryIO:
        return self.path(key).open("rb")

    def size(self, key: str) -> int:
        return self.path(key).stat().st_size

    def sizes(self, prefix: str) -> dict[str, int]:
        folder = self.path(prefix)
        found = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(PART))
        return {str(path.relative_to(self.root)): path.stat().st_size for path in found}

    def folders(self, prefix: str, *, depth: int) -> list[str]:
        found = self.path(prefix).glob("/".join("*" * depth))
        return sorted(str(path.relative_to(self.root)) for path in found if path.is_dir())

    def delete(self, key: str) -> None:
        path = self.path(key)
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            _sync_folder(path.parent)

    def sweep(self, prefix: str, *, part: str) -> int:
        folder = self.path(prefix)
        left = list(folder.rglob(f"*.{part}{PART}")) if folder.is_dir() else []
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def remove_folder(self, prefix: str) -> None:
        folder = self.path(prefix)
        for path in sorted([*folder.rglob("*"), folder], reverse=True):
            with contextlib.suppress(OSError):  # not empty, or never made
                path.rmdir()

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.root).free

    def examine(self) -> Facts:
        key = f".check-{secrets.token_hex(8)}"
        try:
            with self.create(key, part="0.0") as writer:
                writer.write(b"a check of the console")
                writer.publish()
            with disk_errors(key), self.open(key) as stream:
                stream.read()
        finally:
            self.delete(key)
        return Facts(free_bytes=self.free_bytes(), refuses_doubles=True)


class FolderWriter(ObjectWriter):
    def __init__(self, key: str, target: Path, part: Path) -> None:
        self.key = key
        self._target = target
        self._part = part
        with disk_errors(key):
            self._fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._open, self._published = True, False

    def fileno(self) -> int:
        return self._fd

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        with disk_errors(self.key):
            while view:
                view = view[os.write(self._fd, view) :]
        return len(data)

    def sync(self) -> None:
        with disk_errors(self.key):
            os.fsync(self._fd)

    def publish(self) -> None:
        self.sync()
        os.close(self._fd)
        self._open = False
        with disk_errors(self.key):
            os.link(self._part, self._target)  # unlike rename, this refuses to replace what is already published
            self._part.unlink()
            self._published = True
            _sync_folder(self._target.parent)

    def discard(self) -> None:
        if self._open:
            os.close(self._fd)
            self._open = False
        if not self._published:
            self._part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
