"""Files out of a tar: our own downloads, and folders that somebody packed. Nothing is written under a member's name."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from typing import IO, BinaryIO

from opsconsole.exceptions import OperationFailed

_MAGIC, _MAGIC_AT = b"ustar", 257
_BLOCK = 512


def is_tar(descriptor: int) -> bool:
    return os.pread(descriptor, len(_MAGIC), _MAGIC_AT) == _MAGIC


def members(stream: BinaryIO) -> Iterator[tuple[str, IO[bytes]]]:
    """(name without folders, content) of each plain file; what begins with a dot is left out, as in a folder.

    Raises OperationFailed: bad_member for links, devices, sparse files and names that lead elsewhere; damaged_wrapping.
    """
    try:
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            for member in tar:
                if member.isdir():
                    continue
                content = tar.extractfile(member) if _is_plain(member) else None
                if content is None:
                    raise _bad(member.name, "is a link or no plain file")
                if not (name := _name(member.name)).startswith("."):
                    yield name, content
            stream.seek(tar.offset)  # where there was no further header: the end has to be there, not something broken
            if stream.read(_BLOCK).strip(b"\0"):
                raise _damaged()
    except tarfile.TarError as error:
        raise _damaged() from error


def _is_plain(member: tarfile.TarInfo) -> bool:
    return member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse()


def _name(given: str) -> str:
    parts = given.split("/")
    if ".." in parts or given.startswith("/") or not given.isprintable():
        raise _bad(given, "leads out of the archive")
    return parts[-1]


def _bad(name: str, how: str) -> OperationFailed:
    return OperationFailed(
        "bad_member", f"{name[:200]!r} in the tar {how}.", "Unpack it where that does no harm, and give the files."
    )


def _damaged() -> OperationFailed:
    return OperationFailed("damaged_wrapping", "The tar is cut off or damaged.", "Fetch it again from where it came.")
