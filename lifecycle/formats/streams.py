"""Objects of a backup as streams: compressed, encrypted and hashed on the way into a store, checked on the way out."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from types import TracebackType
from typing import Any

from backports import zstd

from lifecycle.formats.base import Archive, StoredObject
from opsconsole.engines.object_bytes import AGE, STORED_CHUNK, Broken, Counted, NoKey, Outgoing, checked
from opsconsole.exceptions import OperationFailed
from opsconsole.storage import ObjectWriter, chunks_of

LEVEL = 3
PIECE_BYTES = STORED_CHUNK  # the manifest carries a hash of each piece of this size, of the stored bytes


class ArchiveWriter:
    """One object of an archive being written, encrypted when the archive has recipients. A context: it discards.

    `counted` is told of the plain bytes by whoever compresses them, and of the stored ones here.
    """

    def __init__(self, archive: Archive, name: str) -> None:
        self.name = name
        self._pieces: list[str] = []
        self.counted = Counted(self._pieces.append)
        self._encryption = AGE if archive.recipients else ""
        self._writer: ObjectWriter = archive.store.create(archive.key(name), part=archive.part)
        try:
            self._out = Outgoing(self.counted, self._writer.write, archive.recipients)
        except BaseException:
            self._writer.discard()
            raise

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.abandon()
        self._writer.discard()

    def write(self, data: bytes) -> None:
        self._out.take(data)

    def sync(self) -> None:
        """Make the bytes durable; they are still not visible."""
        self._out.finish()
        self._writer.sync()

    def publish(self) -> None:
        """Make the object appear, durably."""
        self._out.finish()
        self._writer.publish()

    def stored(self, compression: str) -> StoredObject:
        """What the object is, once everything was written."""
        self._out.finish()
        return stored_object(self.name, compression, self._encryption, self._pieces, self.counted.facts())


def stored_object(
    key: str, compression: str, encryption: str, pieces: list[str], facts: Mapping[str, Any]
) -> StoredObject:
    """An object of these facts: size, sha256, plain_size and plain_sha256."""
    return StoredObject(
        key=key,
        size=facts["size"],
        sha256=facts["sha256"],
        plain_size=facts["plain_size"],
        plain_sha256=facts["plain_sha256"],
        compression=compression,
        chunks=tuple(pieces),
        encryption=encryption,
    )


class CompressingWriter:
    """Compresses what it is given into one object of an archive. The caller syncs and publishes the object."""

    def __init__(self, writer: ArchiveWriter) -> None:
        self._writer = writer
        self._zstd = zstd.ZstdCompressor(level=LEVEL)

    @property
    def plain_size(self) -> int:
        return self._writer.counted.plain_size

    def write(self, data: bytes) -> None:
        self._writer.counted.plain(data)
        self._writer.write(self._zstd.compress(data))

    def finish(self) -> StoredObject:
        """Write what is left and say what the object is."""
        self._writer.write(self._zstd.flush())
        return self._writer.stored("zstd")


def plain_bytes(
    archive: Archive, stored: StoredObject, tick: Callable[[int], object] = lambda done: None
) -> Generator[bytes]:
    """An object's plain bytes in pieces. Everything has been checked only once the iterator is exhausted.

    `tick` is called with the bytes so far. Raises OperationFailed: backup_damaged when the object is gone, or a byte is
    another one than was written; key_missing when no identity of the archive decrypts it.
    """
    counted = Counted()
    try:
        with archive.store.open(archive.key(stored.key)) as stream:
            blocks = checked(chunks_of(stream), counted, **reading(archive, stored))
            with closing(blocks):
                for data in blocks:
                    yield data
                    tick(counted.plain_size)
    except FileNotFoundError:
        raise damaged(stored.key, "it is gone from the store") from None
    except Broken as error:
        raise damaged(stored.key, str(error)) from error
    except NoKey:
        raise no_key(stored.key) from None


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


def reading(archive: Archive, stored: StoredObject) -> dict[str, Any]:
    """What `object_bytes.checked` has to know of an object."""
    return {
        "expected": expected(stored),
        "packed": stored.compression == "zstd",
        "identities": list(archive.identities) if stored.encryption else None,
    }


def expected(stored: StoredObject) -> Mapping[str, Any]:
    """What must be found in an object."""
    return {
        "size": stored.size, "sha256": stored.sha256,
        "plain_size": stored.plain_size, "plain_sha256": stored.plain_sha256,
    }  # fmt: skip


def damaged(key: str, how: str) -> OperationFailed:
    """The error of an object that is not what the manifest says."""
    return OperationFailed(
        "backup_damaged",
        f"The backup's object {key} is damaged: {how}.",
        "Use another backup, and look at the disk of the store.",
    )


def no_key(key: str) -> OperationFailed:
    """The error of an object that nobody here can decrypt."""
    return OperationFailed(
        "key_missing",
        f"The backup's object {key} is encrypted, and no key at hand decrypts it.",
        "Ask again and hand over one of the keys that the backup's page names.",
    )
