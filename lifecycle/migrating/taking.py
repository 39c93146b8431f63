"""Taking the files of a folder in: from a folder of this machine, from a zip or a tar. No link is followed."""

from __future__ import annotations

import gzip
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from lifecycle.migrating.gathering import Gathering
from opsconsole.exceptions import OperationFailed, Refused, Usage

MOST_UNPACKED = 2 << 30  # bytes that an archive may unfold to on the way to what is wanted of it
_ZIP, _GZIP = b"PK", b"\x1f\x8b"
_USTAR, _USTAR_AT, _HEAD = b"ustar", 257, 512
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ONE_READ = 1 << 20  # no header of a tar is larger
# What zipfile and tarfile raise for bytes that make no sense: also for names, places and numbers that cannot be.
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, NotImplementedError, OSError,
    ValueError, OverflowError, struct.error,
)  # fmt: skip


@contextmanager
def opened(start: str, below: Sequence[str] = ()) -> Iterator[int]:
    """A descriptor of a folder, found from `start` on part by part without following links. Raises Usage, Refused."""
    descriptor = _descended(start, below)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_file(path: Path) -> Iterator[BinaryIO]:
    """A file of this machine. Raises Refused when it cannot be read."""
    try:
        stream = path.open("rb")
    except OSError as error:
        why = f"{path} cannot be read: {os.strerror(error.errno or 0)}."
        raise Refused("unreadable_file", why, "Let whoever runs the command read it.") from error
    with stream:
        yield stream


def from_folder(gathering: Gathering, descriptor: int) -> None:
    """Take what tools read below an open folder. Raises Refused, also for what cannot be read."""
    try:
        _below(gathering, descriptor, "")
    except OSError as error:
        why = f"{error.filename} in {gathering.name} cannot be read: {os.strerror(error.errno or 0)}."
        raise Refused("unreadable_file", why, "Let whoever reads it read all of it, and try again.") from error


def _below(gathering: Gathering, descriptor: int, path: str) -> None:
    for name in sorted(os.listdir(descriptor)):
        where = f"{path}/{name}" if path else name
        if not _is_text(name):
            continue  # no name of a file that a tool reads
        mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            if gathering.enters(where):
                below = os.open(name, _FOLDER, dir_fd=descriptor)
                try:
                    _below(gathering, below, where)
                finally:
                    os.close(below)
        elif not stat.S_ISREG(mode):
            gathering.refuse_link(where)
        elif gathering.wants(where):
            gathering.add(where, _read(descriptor, name, where, gathering))


def is_archive(stream: IO[bytes]) -> bool:
    """Whether a stream begins as a zip, a gzip or a tar does."""
    head = stream.read(_HEAD)
    stream.seek(0)
    return head.startswith((_ZIP, _GZIP)) or head[_USTAR_AT:].startswith(_USTAR)


def from_archive(gathering: Gathering, stream: IO[bytes]) -> None:
    """Take what tools read out of a zip, a tar or a tar.gz. Raises Refused: damaged_archive, bad_path and others."""
    zipped = stream.read(len(_ZIP)) == _ZIP
    stream.seek(0)
    try:
        if zipped:
            _from_zip(gathering, stream)
        else:
            _from_tar(gathering, stream)
    except _DAMAGE as error:
        raise Refused(
            "damaged_archive",
            f"{gathering.name} is damaged or no archive that is read here.",
            "Bring a .zip, a .tar or a .tar.gz, or the folder itself.",
        ) from error


def _from_zip(gathering: Gathering, stream: IO[bytes]) -> None:
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            mode = member.external_attr >> 16
            if member.is_dir():
                continue
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                gathering.refuse_link(member.filename)
            elif gathering.wants(member.filename):
                if member.flag_bits & 1:
                    raise Refused("locked_archive", f"{member.filename} is locked by a password.", "Bring it unlocked.")
                with archive.open(member) as content:
                    gathering.add(member.filename, _limited(content, gathering))


def _from_tar(gathering: Gathering, stream: IO[bytes]) -> None:
    packed = stream.read(2) == _GZIP
    stream.seek(0)
    unpacked = cast(IO[bytes], gzip.GzipFile(fileobj=stream, mode="rb")) if packed else stream
    plain = _Counted(unpacked, gathering.name)
    with tarfile.open(fileobj=plain, mode="r:") as archive:  # type: ignore[call-overload]
        for member in archive:
            path = member.name.removeprefix("./")
            if member.isdir() or path == ".":
                continue
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
                gathering.refuse_link(path)
            elif gathering.wants(path) and (content := archive.extractfile(member)):
                gathering.add(path, _limited(content, gathering))
            archive.members = []  # it would remember all of them


class _Counted:
    """A stream that reads no more than it should: a small archive may unfold to anything."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream, self._name, self._most = stream, name, 0

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _ONE_READ:
            raise tarfile.ReadError("a header is larger than any is")
        data = self._stream.read(size)
        self._count()
        return data

    def seek(self, place: int, whence: int = 0) -> int:
        if place > MOST_UNPACKED:
            raise self._too_large()
        found = self._stream.seek(place, whence)
        self._count()
        return found

    def tell(self) -> int:
        return self._stream.tell()

    def _count(self) -> None:
        if self._stream.tell() > MOST_UNPACKED:
            raise self._too_large()

    def _too_large(self) -> Refused:
        return Refused(
            "too_large",
            f"{self._name} unfolds to more than {MOST_UNPACKED >> 30} GiB.",
            "Bring only the folder of the migrations.",
        )


def _descended(start: str, below: Sequence[str]) -> int:
    path = "/".join([start.rstrip("/"), *below])
    try:
        descriptor = os.open(start, _FOLDER)
        for part in below:
            parent = descriptor
            try:
                descriptor = os.open(part, _FOLDER, dir_fd=parent)
            finally:
                os.close(parent)
    except FileNotFoundError:
        raise Usage("no_folder", f"There is no folder {path}.", "Look at its spelling.") from None
    except OSError as error:
        why = f"{path} cannot be read as a folder: {os.strerror(error.errno or 0)}."
        raise Refused("no_folder", why, "Name a folder by its real path, without links.") from error
    return descriptor


def _limited(content: IO[bytes], gathering: Gathering) -> bytes:
    """A member's bytes, and one more than fits where it is too large."""
    parts, left = [], gathering.room() + 1
    while left > 0 and (part := content.read(min(left, _ONE_READ // 2))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _read(folder: int, name: str, where: str, gathering: Gathering) -> bytes:
    descriptor = os.open(name, _FILE, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OperationFailed("moved", f"{where} was replaced while it was read.", "Try again.")
        return _limited(stream, gathering)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
