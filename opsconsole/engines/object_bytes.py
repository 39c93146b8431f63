"""The bytes of one stored object on their way in and out: counted, hashed, compressed by others, encrypted with age.

Copy workers import this file by its path, so it needs nothing of the project. pyrage pulls what it encrypts and pushes
what it decrypts, so each direction has a thread of its own behind a pipe: memory stays at a few pieces whatever the
size.

Decryption gives bytes away before it can know that the last one is there. Whoever uses `checked` may act only once it
is exhausted: it raises when any byte was not the one that was written.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from threading import Thread
from typing import Any

from backports import zstd
from pyrage import DecryptError, decrypt_io, encrypt_io, x25519

READ = 1 << 20
STORED_CHUNK = 64 << 20  # of the stored bytes; each gets a digest of its own
AGE = "age"  # age-encryption.org/v1, in StoredObject.encryption


class Broken(Exception):
    """The bytes are not what they should be."""


class NoKey(Exception):
    """The bytes are what they should be, and no identity at hand decrypts them."""


class Counted:
    """Sizes and digests of one object, of its plain and its stored bytes. `on_chunk` takes each chunk's digest."""

    def __init__(self, on_chunk: Callable[[str], object] = lambda digest: None) -> None:
        self.plain_size = self.size = 0
        self._plain, self._stored = hashlib.sha256(), hashlib.sha256()
        self._chunk = self._stored  # the first chunk begins where the object does, and most objects have no other
        self._room = STORED_CHUNK
        self._on_chunk = on_chunk

    def plain(self, data: bytes | bytearray | memoryview) -> None:
        self.plain_size += len(data)
        self._plain.update(data)

    def stored(self, data: bytes) -> None:
        self.size += len(data)
        view = memoryview(data)
        while view:
            part, view = view[: self._room], view[self._room :]
            self._stored.update(part)
            if self._chunk is not self._stored:
                self._chunk.update(part)
            self._room -= len(part)
            if not self._room:
                self._close_chunk()

    def facts(self) -> dict[str, Any]:
        if self._room < STORED_CHUNK:
            self._close_chunk()
        return {
            "size": self.size,
            "sha256": named(self._stored),
            "plain_size": self.plain_size,
            "plain_sha256": named(self._plain),
        }

    def _close_chunk(self) -> None:
        self._on_chunk(named(self._chunk))
        self._chunk, self._room = hashlib.sha256(), STORED_CHUNK


def named(digest: hashlib._Hash) -> str:
    return "sha256:" + digest.hexdigest()


class Outgoing:
    """Takes the (compressed) bytes of one object, encrypts them if there are recipients, counts them, writes them.

    Either `finish` or `abandon` ends it; both may be called again.
    """

    def __init__(self, counted: Counted, write: Callable[[bytes], object], recipients: Sequence[str] = ()) -> None:
        self._counted, self._write = counted, write
        self._encrypting = _Encrypting(recipients, self._put) if recipients else None

    def take(self, data: bytes) -> None:
        if self._encrypting:
            self._encrypting.write(data)
        else:
            self._put(data)

    def finish(self) -> None:
        """Everything is counted and written once this returns."""
        if self._encrypting:
            self._encrypting.finish()

    def abandon(self) -> None:
        """Nothing is written any more once this returns."""
        if self._encrypting:
            self._encrypting.abandon()

    def _put(self, data: bytes) -> None:
        self._counted.stored(data)
        self._write(data)


class _Encrypting:
    """A thread that encrypts what comes through a pipe. An error of `put` is raised where the bytes come from."""

    def __init__(self, recipients: Sequence[str], put: Callable[[bytes], object]) -> None:
        self._put, self._abandoned = put, False
        self._error: BaseException | None = None
        to = [x25519.Recipient.from_str(recipient) for recipient in recipients]
        source, into = os.pipe()
        self._into: int | None = into
        self._thread = Thread(target=self._run, args=(source, to), name="encrypting", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        assert self._into is not None
        try:
            write_all(self._into, data)
        except BrokenPipeError:
            self.finish()
            raise

    def finish(self) -> None:
        self._close()
        if self._error is not None and not self._abandoned:
            raise self._error

    def abandon(self) -> None:
        self._abandoned = True
        self._close()

    def _close(self) -> None:
        if self._into is not None:
            os.close(self._into)
            self._into = None
            self._thread.join()

    def _run(self, source: int, recipients: Sequence[Any]) -> None:
        with open(source, "rb", buffering=0) as plain:
            try:
                encrypt_io(plain, _Sink(self._store), recipients)
            except BaseException as error:  # raised again by the thread that writes
                self._error = self._error or error

    def _store(self, data: bytes) -> None:
        if self._abandoned:
            raise BrokenPipeError
        try:
            self._put(data)
        except BaseException as error:  # pyrage would keep its words only
            self._error = error
            raise


class _Sink:
    """What pyrage writes to."""

    def __init__(self, put: Callable[[bytes], object]) -> None:
        self._put = put

    def write(self, data: bytes) -> int:
        self._put(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass


class _Source:
    """What pyrage reads from."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")
        self.error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            while not self._rest:
                self._rest = memoryview(next(self._blocks))
        except StopIteration:
            return b""
        except BaseException as error:  # pyrage would keep its words only
            self.error = error
            raise
        size = len(self._rest) if size < 0 else size
        data, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return data


def decrypted(blocks: Iterator[bytes], identities: Sequence[str]) -> Generator[bytes]:
    """The plain bytes of an age file. Raises NoKey or Broken once `blocks` is read to its end, however early it knew.

    A thread of its own reads `blocks` until this generator has ended.
    """
    reading, into = os.pipe()
    worker = _Decrypting(blocks, identities, into)
    thread = Thread(target=worker.run, name="decrypting", daemon=True)
    thread.start()
    try:
        while data := os.read(reading, READ):
            yield data
    finally:
        os.close(reading)
        thread.join()
    worker.end()


class _Decrypting:
    """What the thread of `decrypted` does, and how that went."""

    def __init__(self, blocks: Iterator[bytes], identities: Sequence[str], into: int) -> None:
        self._source, self._identities, self._into = _Source(blocks), identities, into
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            keys = [x25519.Identity.from_str(identity) for identity in self._identities]
            decrypt_io(self._source, _Sink(lambda data: write_all(self._into, data)), keys)
        except DecryptError as error:
            self._error = NoKey(str(error)) if "matching keys" in str(error).lower() else Broken(str(error))
        except Exception as error:  # whatever it is, these bytes cannot be trusted; `end` raises it
            self._error = Broken(str(error))
        finally:
            os.close(self._into)

    def end(self) -> None:
        """Raise what went wrong. NoKey waits until all is read: then the hash says whether these are the true bytes."""
        if self._source.error is not None:
            raise self._source.error
        if isinstance(self._error, Broken):
            raise self._error
        rest = 0
        while data := self._source.read():
            rest += len(data)
        if self._error is not None:
            raise self._error
        if rest:
            raise Broken("there is something behind its end")


def checked(
    blocks: Iterable[bytes], counted: Counted, expected: Mapping[str, Any], *, packed: bool = True,
    identities: Sequence[str] | None = None,
) -> Generator[bytes]:  # fmt: skip
    """The plain bytes of an object in pieces of at most 1 MiB; they count only once this is exhausted.

    `expected` are size, sha256, plain_size and plain_sha256; `packed` says that it is zstd, `identities` (None: it is
    not encrypted) are what may decrypt it. Raises Broken when a byte is not the one that was written, NoKey.
    """
    stored = _counting(blocks, counted)
    opened = stored if identities is None else decrypted(stored, identities)
    try:
        with closing(opened):
            for data in unpacked(opened) if packed else opened:
                counted.plain(data)
                if counted.plain_size > expected["plain_size"]:
                    raise Broken("it unpacks to more than the manifest says")
                yield data
    except zstd.ZstdError as error:
        raise Broken(f"it cannot be unpacked ({error})") from error
    except NoKey:
        if _differs(counted, expected, "size", "sha256"):
            raise Broken("its hash is not the one in the manifest") from None
        raise
    if _differs(counted, expected, "size", "sha256"):
        raise Broken("its hash is not the one in the manifest")
    if _differs(counted, expected, "plain_size", "plain_sha256"):
        raise Broken("it does not unpack to what was backed up")


def _differs(counted: Counted, expected: Mapping[str, Any], *names: str) -> bool:
    facts = counted.facts()
    return any(facts[name] != expected[name] for name in names)


def _counting(blocks: Iterable[bytes], counted: Counted) -> Generator[bytes]:
    for data in blocks:
        counted.stored(data)
        yield data


def unpacked(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The plain bytes of a zstd stream in pieces of at most 1 MiB. Raises Broken for a cut or padded one, ZstdError."""
    unpacker = zstd.ZstdDecompressor()
    for packed in blocks:
        if unpacker.eof:
            raise Broken("there is something behind its end")
        data = unpacker.decompress(packed, READ)
        while True:
            yield data
            if unpacker.eof or unpacker.needs_input:
                break
            data = unpacker.decompress(b"", READ)
    if not unpacker.eof or unpacker.unused_data:
        raise Broken("it is cut off, or goes on after its end")


def read_blocks(descriptor: int) -> Iterator[bytes]:
    while block := os.read(descriptor, READ):
        yield block


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
