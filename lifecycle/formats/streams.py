"""Objects of a backup as streams: compressed and hashed on the way into a store, checked on the way out of it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Generator, Iterator
from typing import Any

from backports import zstd

from lifecycle.formats.base import Archive, StoredObject
from opsconsole.exceptions import OperationFailed
from opsconsole.storage import ObjectWriter, chunks_of

LEVEL = 3
PIECE_BYTES = 64 << 20  # the manifest carries a hash of each piece of this size, of the stored bytes


class CompressingWriter:
    """Compresses what it is given into one object of a store. The caller syncs and publishes the object."""

    def __init__(self, writer: ObjectWriter, name: str) -> None:
        self._writer = writer
        self._name = name
        self._zstd = zstd.ZstdCompressor(level=LEVEL)
        self._plain, self._stored = hashlib.sha256(), hashlib.sha256()
        self._piece, self._in_piece = hashlib.sha256(), 0
        self._pieces: list[str] = []
        self.plain_size = self.size = 0

    def write(self, data: bytes) -> None:
        self._plain.update(data)
        self.plain_size += len(data)
        self._store(self._zstd.compress(data))

    def finish(self) -> StoredObject:
        """Write what is left and say what the object is."""
        self._store(self._zstd.flush())
        if self._in_piece:
            self._end_piece()
        return StoredObject(
            key=self._name,
            size=self.size,
            sha256="sha256:" + self._stored.hexdigest(),
            plain_size=self.plain_size,
            plain_sha256="sha256:" + self._plain.hexdigest(),
            compression="zstd",
            chunks=tuple(self._pieces),
        )

    def _store(self, data: bytes) -> None:
        self._writer.write(data)
        self._stored.update(data)
        self.size += len(data)
        rest = memoryview(data)
        while rest:
            taken = rest[: PIECE_BYTES - self._in_piece]
            self._piece.update(taken)
            self._in_piece += len(taken)
            rest = rest[len(taken) :]
            if self._in_piece == PIECE_BYTES:
                self._end_piece()

    def _end_piece(self) -> None:
        self._pieces.append("sha256:" + self._piece.hexdigest())
        self._piece, self._in_piece = hashlib.sha256(), 0


def plain_bytes(archive: Archive, stored: StoredObject) -> Generator[bytes]:
    """An object's plain bytes in pieces. Everything has been checked only once the iterator is exhausted.

    Raises OperationFailed("backup_damaged") when the object is gone, or its bytes are not those of the manifest.
    """
    plain, packed = hashlib.sha256(), hashlib.sha256()
    size = 0
    for data in _unpacked(archive, stored, packed):
        plain.update(data)
        size += len(data)
        if size > stored.plain_size:
            raise _damaged(stored, "it unpacks to more than the manifest says")
        yield data
    if packed.hexdigest() != stored.sha256.removeprefix("sha256:"):
        raise _damaged(stored, "its hash is not the one in the manifest")
    if size != stored.plain_size or plain.hexdigest() != stored.plain_sha256.removeprefix("sha256:"):
        raise _damaged(stored, "it does not unpack to what was backed up")


def readable(blocks: Iterator[bytes]) -> io.BufferedReader:
    """Blocks as a stream that can be read in any pieces, and by the line. It raises what they raise."""
    return io.BufferedReader(_Blocks(blocks), 1 << 18)


class _Blocks(io.RawIOBase):
    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            try:
                self._rest = memoryview(next(self._blocks))
            except StopIteration:
                return 0
        taken = self._rest[: len(buffer)]
        self._rest = self._rest[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)


def _unpacked(archive: Archive, stored: StoredObject, packed: hashlib._Hash) -> Iterator[bytes]:
    unzip = zstd.ZstdDecompressor()
    try:
        with archive.store.open(archive.key(stored.key)) as stream:
            for data in chunks_of(stream):
                packed.update(data)
                yield from _decompressed(unzip, data)
    except FileNotFoundError:
        raise _damaged(stored, "it is gone from the store") from None
    except zstd.ZstdError as error:
        raise _damaged(stored, f"it cannot be unpacked ({error})") from error
    if not unzip.eof or unzip.unused_data:
        raise _damaged(stored, "it does not end where it should")


def _decompressed(unzip: zstd.ZstdDecompressor, data: bytes) -> Iterator[bytes]:
    """Pieces of at most 1 MiB, however well the data was compressed."""
    if unzip.eof:
        raise zstd.ZstdError("there is something behind its end")
    yield unzip.decompress(data, max_length=1 << 20)
    while not unzip.needs_input and not unzip.eof:
        yield unzip.decompress(b"", max_length=1 << 20)


def _damaged(stored: StoredObject, how: str) -> OperationFailed:
    return OperationFailed(
        "backup_damaged",
        f"The backup's object {stored.key} is damaged: {how}.",
        "Use another backup, and look at the disk of the store.",
    )
