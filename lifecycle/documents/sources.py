"""The bytes of the files that a reader is given: plain, seekable and bounded, whatever they were wrapped in.

This runs in the child. A wrapped file (gz, zst, age) is unwrapped into a file without a name before anybody looks at
it, so that its checksums have held by then, and so that its disk is returned however the child ends.
"""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

import pyrage
from backports import zstd

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
    _kept: list[Any] = field(default_factory=list)  # spools live as long as this does

    def source(self, name: str, descriptor: int) -> tuple[SourceFile, tuple[str, ...]]:
        """The file without its wrappings, and what these were, the outermost first.

        Raises OperationFailed: damaged_wrapping, too_big, wrapped_too_often, identity_needed, wrong_identity.
        """
        wrappings: list[str] = []
        while wrapping := _wrapping(descriptor):
            if len(wrappings) == MOST_WRAPPINGS:
                raise OperationFailed(
                    "wrapped_too_often", f"{name} is packed more than {MOST_WRAPPINGS} times over.", "Unpack it once."
                )
            descriptor = self._unwrap(name, wrapping, descriptor)
            wrappings.append(wrapping)
        size = os.fstat(descriptor).st_size
        if not wrappings:
            self._count(size)
        for wrapping in wrappings:
            name = name.removesuffix(f".{wrapping}")
        opened = self._opener(descriptor)
        return SourceFile(name=name, size=size, open=opened, path=f"/proc/self/fd/{descriptor}"), tuple(wrappings)

    def _opener(self, descriptor: int) -> Callable[[], BinaryIO]:
        return lambda: io.BufferedReader(Positioned(descriptor, self.told), BUFFER)

    def _unwrap(self, name: str, wrapping: str, descriptor: int) -> int:
        spool = tempfile.TemporaryFile(dir=".")  # noqa: SIM115 - it lives as long as the source does
        self._kept.append(spool)
        packed = io.BufferedReader(Positioned(descriptor, self.told), BUFFER)
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


def _wrapping(descriptor: int) -> str:
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
        "Give fewer tables, or raise the limit if this is expected.",
    )
