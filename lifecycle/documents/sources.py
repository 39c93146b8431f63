"""The bytes of the files that a reader is given: plain, seekable and bounded, whatever they were wrapped in.

This runs in the child. A wrapped file (gz, zst, age, tar) is unwrapped into files without names before anybody looks
at it, so that its checksums have held by then, and so that their disk is returned however the child ends.
"""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, Protocol

import pyrage
from backports import zstd

from lifecycle.documents import tarballs
from lifecycle.documents.limits import Limits
from lifecycle.documents.reading import SourceFile
from opsconsole.exceptions import OperationFailed

PIECE = 1 << 20
BUFFER = 1 << 18
MOST_WRAPPINGS = 2
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_AGE = (b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----")
_BROKEN = (EOFError, OSError, zlib.error, zstd.ZstdError)  # gzip.BadGzipFile is an OSError


class Told(Protocol):
    """Is told how many bytes have just been read."""

    def __call__(self, count: int) -> object: ...


class Positioned(io.RawIOBase):
    """Reads a descriptor at a position of its own, so that one descriptor serves many readers, one after the other."""

    def __init__(self, descriptor: int, told: Told) -> None:
        self._descriptor = descriptor
        self._told = told
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = os.preadv(self._descriptor, [buffer], self._at)
        self._at += count
        self._told(count)
        return count

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: os.fstat(self._descriptor).st_size}[whence]
        self._at = max(0, start + offset)
        return self._at


@dataclass(kw_only=True)
class Unwrapper:
    """Turns descriptors into source files. `told` hears of each byte that is read of any of them."""

    limits: Limits
    identities: Sequence[str] = ()  # age secret keys, one a line of an identity file
    told: Told = lambda count: None
    unpacked: int = 0
    files: int = 0
    _kept: list[Any] = field(default_factory=list)  # spools live as long as this does

    def sources(self, name: str, descriptor: int) -> tuple[list[SourceFile], tuple[str, ...]]:
        """The file without its wrappings, or the files of a tar, and what the wrappings were, the outermost first.

        Raises OperationFailed: damaged_wrapping, too_big, too_dense, wrapped_too_often, too_many_files, bad_member,
        identity_needed, not_decrypted.
        """
        bare, wrappings = self._unwrapped(name, descriptor)
        if not tarballs.is_tar(bare):
            return [self._file(_without(name, wrappings), bare)], tuple(wrappings)
        files = []
        for inner_name, content in tarballs.members(self._stream(bare)):
            with content:
                spool = self._spooled(content)
            inner, inside = self._unwrapped(inner_name, spool)
            files.append(self._file(_without(inner_name, inside), inner))
        if len({file.name for file in files}) != len(files):
            raise OperationFailed("bad_member", "Two files in the tar have one name.", "Give one backup at a time.")
        return files, (*wrappings, "tar")

    def _file(self, name: str, descriptor: int) -> SourceFile:
        self.files += 1
        if self.files > self.limits.files:
            raise OperationFailed(
                "too_many_files", f"There are more than {self.limits.files} files.", "Give one backup at a time."
            )
        size = os.fstat(descriptor).st_size
        return SourceFile(
            name=name, size=size, open=lambda: self._stream(descriptor), path=f"/proc/self/fd/{descriptor}"
        )

    def _stream(self, descriptor: int) -> BinaryIO:
        return io.BufferedReader(Positioned(descriptor, self.told), BUFFER)

    def _unwrapped(self, name: str, descriptor: int) -> tuple[int, list[str]]:
        """A descriptor of the bytes inside, which is the given one where they are not wrapped."""
        wrappings: list[str] = []
        while wrapping := wrapping_of(descriptor):
            if len(wrappings) == MOST_WRAPPINGS:
                raise OperationFailed(
                    "wrapped_too_often", f"{name} is packed more than {MOST_WRAPPINGS} times over.", "Unpack it once."
                )
            descriptor = self._unwrap(name, wrapping, descriptor)
            wrappings.append(wrapping)
        if not wrappings:
            self._count(os.fstat(descriptor).st_size)
        return descriptor, wrappings

    def _spool(self) -> IO[bytes]:
        spool = tempfile.TemporaryFile(dir=".")  # noqa: SIM115 - it lives as long as the source does
        self._kept.append(spool)
        return spool

    def _spooled(self, content: IO[bytes]) -> int:
        """A descriptor of a copy, because readers want a file of its own."""
        spool = self._spool()
        while data := content.read(PIECE):
            spool.write(data)
        spool.flush()
        return spool.fileno()

    def _unwrap(self, name: str, wrapping: str, descriptor: int) -> int:
        spool = self._spool()
        packed = self._stream(descriptor)
        sink = _Sink(spool, self._ceiling(name, os.fstat(descriptor).st_size))
        try:
            if wrapping == "age":
                self._decrypt(name, packed, sink)
            else:
                _unpack(wrapping, packed, sink)
        except _BROKEN as error:
            if sink.refusal is not None:
                raise sink.refusal from error
            if _is_full(error):
                raise
            raise OperationFailed(
                "damaged_wrapping",
                f"{name} cannot be unpacked ({wrapping}): it is cut off or damaged.",
                "Fetch it again from where it came.",
            ) from error
        spool.flush()
        self._count(sink.size)
        return spool.fileno()

    def _decrypt(self, name: str, packed: BinaryIO, sink: _Sink) -> None:
        keys = [line.strip() for line in self.identities if line.strip().startswith("AGE-SECRET-KEY-1")]
        if not keys:
            raise OperationFailed(
                "identity_needed", f"{name} is encrypted with age.", "Give the secret key of one of its recipients."
            )
        try:
            pyrage.decrypt_io(packed, sink, [pyrage.x25519.Identity.from_str(key) for key in keys])
        except (pyrage.DecryptError, pyrage.IdentityError) as error:
            if sink.refusal is not None:
                raise sink.refusal from error
            raise OperationFailed(
                "not_decrypted",
                f"{name} cannot be decrypted: the key is not one of its recipients', or the file is damaged.",
                "Give another key, or fetch the file again.",
            ) from error

    def _ceiling(self, name: str, packed: int) -> Callable[[int], OperationFailed | None]:
        left = self.limits.unpacked - self.unpacked
        dense = max(self.limits.ratio_from, packed * self.limits.ratio)

        def refusal(size: int) -> OperationFailed | None:
            if size > left:
                return _too_big(self.limits.unpacked)
            if size > dense:
                return OperationFailed(
                    "too_dense",
                    f"{name} unpacks to more than {self.limits.ratio} times its size, which no honest backup does.",
                    "Unpack it yourself, look at it, and give it as it is.",
                )
            return None

        return refusal

    def _count(self, size: int) -> None:
        self.unpacked += size
        if self.unpacked > self.limits.unpacked:
            raise _too_big(self.limits.unpacked)


class _Sink:
    """Where unpacked bytes go, until there are too many; then `refusal` says why, whoever swallowed the exception."""

    def __init__(self, spool: Any, ceiling: Callable[[int], OperationFailed | None]) -> None:
        self._spool = spool
        self._ceiling = ceiling
        self.size = 0
        self.refusal: OperationFailed | None = None

    def write(self, data: bytes) -> int:
        self.size += len(data)
        self.refusal = self._ceiling(self.size)
        if self.refusal is not None:
            raise self.refusal
        self._spool.write(data)
        return len(data)

    def flush(self) -> None:
        self._spool.flush()


def _without(name: str, wrappings: Sequence[str]) -> str:
    for wrapping in wrappings:
        name = name.removesuffix(f".{wrapping}")
    return name


def wrapping_of(descriptor: int) -> str:
    """gz, zst or age by the first bytes of a file, "" for none of them."""
    start = os.pread(descriptor, 64, 0)
    if start.startswith(_GZIP):
        return "gz"
    if start.startswith(_ZSTD):
        return "zst"
    return "age" if start.startswith(_AGE) else ""


def _unpack(wrapping: str, packed: BinaryIO, sink: _Sink) -> None:
    unpacking: Any = gzip.GzipFile(fileobj=packed) if wrapping == "gz" else zstd.ZstdFile(packed)
    with unpacking:
        while data := unpacking.read(PIECE):
            sink.write(data)


def _is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno is not None


def _too_big(limit: int) -> OperationFailed:
    return OperationFailed(
        "too_big",
        f"The files unpack to more than {limit >> 20} MiB, the limit.",
        "Give fewer tables at a time.",
    )
