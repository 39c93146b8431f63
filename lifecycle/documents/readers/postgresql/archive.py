"""pg_dump's custom archive as a file: its head, its table of contents, and the bytes of each table's rows.

Source of the layout: `pg_backup_archiver.c` and `pg_backup_custom.c` of PostgreSQL 9.5 to 18 (archive versions 1.12 to
1.16). It is read here, and not by pg_restore, so that no program in C meets the bytes of strangers, and because
the contents say more than `pg_restore --list` prints.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from backports import zstd

from lifecycle.documents.limits import Limits
from lifecycle.documents.readers.refusals import unreadable

MAGIC = b"PGDMP"
VERSIONS = range(12, 17)  # of the layout, 1.x
MOST_ENTRIES = 1_000_000
LONGEST_STRING = 16 << 20  # bytes of a definition
PIECE = 1 << 18
_CUSTOM = 1
_NO_DATA, _UNKNOWN = 3, 1  # states of an entry's position
_ROWS = 1  # type of a block
_COMPRESSIONS = {0: "none", 1: "gzip", 2: "lz4", 3: "zstd"}
_FORMATS = {3: "the format tar", 5: "the contents of the format directory"}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the table of contents. `position` of its rows is 0 where the archive does not know it."""

    number: int
    kind: str  # TABLE, TABLE DATA, SEQUENCE SET, ...
    schema: str
    name: str
    definition: bytes
    copy: bytes  # the COPY statement that goes before its rows
    has_rows: bool
    position: int


class Archive:
    """A custom archive, opened. `entries` are in the order in which pg_restore would go through them."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        """Raises OperationFailed("unreadable") for what is no archive of a version that is read."""
        self._stream = stream
        self._size = size
        self._plain = 0  # bytes that rows have been unpacked to
        self._head()
        self.entries = tuple(self._contents())
        self._blocks: dict[int, int] | None = None

    # -- head and contents ---------------------------------------------------------------------------------------

    def _head(self) -> None:
        if self._bytes(5) != MAGIC:
            raise unreadable("It is no archive of pg_dump.")
        major, self.minor, _ = self._bytes(3)
        if major != 1 or self.minor not in VERSIONS:
            raise unreadable(
                f"It is an archive of version {major}.{self.minor}; 1.12 to 1.16 are read.",
                "Dump with the pg_dump of PostgreSQL 9.5 to 18.",
            )
        self._width, self._wide, kind = self._bytes(3)
        if self._width not in {4, 8} or self._wide not in {4, 8}:
            raise unreadable("The head of the archive is damaged.")
        if kind != _CUSTOM:
            raise unreadable(
                f"It is {_FORMATS.get(kind, 'another format')} of pg_dump.", "Give an archive of --format=custom."
            )
        self.compression = self._compression()
        for _ in range(7):  # the clock of whoever dumped, without its zone
            self._int()
        self.database, self.server, self.client = (self._string() for _ in range(3))

    def _compression(self) -> str:
        if self.minor < 15:
            return "gzip" if self._int() else "none"
        number = self._bytes(1)[0]
        if number not in _COMPRESSIONS:
            raise unreadable("The head of the archive is damaged.")
        return _COMPRESSIONS[number]

    def _contents(self) -> Iterator[Entry]:
        count = self._int()
        if not 0 <= count <= MOST_ENTRIES:
            raise unreadable(f"The archive claims to have {count} entries.")
        numbers: set[int] = set()
        for _ in range(count):
            entry = self._entry()
            if entry.number in numbers or entry.number <= 0:
                raise unreadable("The table of contents is damaged: two entries have one number.")
            numbers.add(entry.number)
            yield entry
        self._first_block = self._stream.tell()

    def _entry(self) -> Entry:
        number, has_rows = self._int(), self._int()
        self._raw_string()  # the catalogue's number
        self._raw_string()  # the object's
        name, kind = self._string(), self._string()
        self._int()  # section
        definition = self._raw_string()
        self._raw_string()  # how to drop it
        copy, schema = self._raw_string(), self._string()
        self._raw_string()  # tablespace
        if self.minor >= 14:
            self._raw_string()  # access method
        if self.minor >= 16:
            self._int()  # kind of relation
        self._raw_string()  # owner
        self._raw_string()  # with oids
        while self._raw_string(ends=True) is not None:
            pass  # numbers of entries that it depends on
        state, position = self._bytes(1)[0], int.from_bytes(self._bytes(self._wide), "little")
        return Entry(
            number=number, kind=kind, schema=schema, name=name, definition=definition or b"", copy=copy or b"",
            has_rows=bool(has_rows) and state != _NO_DATA, position=0 if state == _UNKNOWN else position,
        )  # fmt: skip

    # -- rows ----------------------------------------------------------------------------------------------------

    def rows(self, entry: Entry) -> io.BufferedReader:
        """The text of an entry's rows, unpacked as it is read. One at a time."""
        if self.compression == "lz4":
            raise unreadable("The archive is compressed with lz4, which is not read.", "Dump with --compress=zstd.")
        place = entry.position or self._block_of(entry)
        if place >= self._size:
            raise unreadable(f"The archive ends before the rows of {entry.name}.")
        self._stream.seek(place)
        kind, number = self._bytes(1)[0], self._int()
        if kind != _ROWS or number != entry.number:
            raise unreadable(f"The rows of {entry.name} are not where the archive says.")
        pieces = self._unpacked(entry) if self.compression != "none" else self._counted(self._chunks(), entry)
        return io.BufferedReader(_Joined(pieces), PIECE)

    def _block_of(self, entry: Entry) -> int:
        if self._blocks is None:
            self._blocks = dict(self._found_blocks())
        if entry.number not in self._blocks:
            raise unreadable(f"The archive ends before the rows of {entry.name}.")
        return self._blocks[entry.number]

    def _found_blocks(self) -> Iterator[tuple[int, int]]:
        """(number, position) of every block, for an archive that was written into a pipe."""
        here = self._first_block
        while here < self._size:
            self._stream.seek(here)
            kind, number = self._bytes(1)[0], self._int()
            yield number, here
            if kind == _ROWS:
                self._pass_chunks()
            else:  # large objects, each with its number, until one that is 0
                while self._int():
                    self._pass_chunks()
            here = self._stream.tell()

    def _pass_chunks(self) -> None:
        while length := self._length():
            self._stream.seek(length, io.SEEK_CUR)

    def _chunks(self) -> Iterator[bytes]:
        while left := self._length():
            while left:
                data = self._bytes(min(left, PIECE))
                left -= len(data)
                yield data

    def _length(self) -> int:
        length = self._int()
        if length < 0 or self._stream.tell() + length > self._size:
            raise unreadable("The archive is cut off, or damaged, in the middle of its rows.")
        return length

    def _unpacked(self, entry: Entry) -> Iterator[bytes]:
        inflated = _gunzipped if self.compression == "gzip" else _unzstd
        try:
            yield from self._counted(inflated(self._chunks()), entry)
        except (zlib.error, zstd.ZstdError, EOFError) as error:
            raise unreadable(f"The rows of {entry.name} cannot be unpacked: the archive is damaged.") from error

    def _counted(self, pieces: Iterator[bytes], entry: Entry) -> Iterator[bytes]:
        most = max(Limits.ratio_from, self._size * Limits.ratio)
        for piece in pieces:
            self._plain += len(piece)
            if self._plain > most:
                raise unreadable(f"The rows of {entry.name} unpack to more than {Limits.ratio} times their size.")
            yield piece

    # -- bytes ---------------------------------------------------------------------------------------------------

    def _bytes(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) != count:
            raise unreadable("The archive ends too early.")
        return data

    def _int(self) -> int:
        sign, *digits = self._bytes(1 + self._width)
        value = int.from_bytes(bytes(digits), "little")
        return -value if sign else value

    def _raw_string(self, *, ends: bool = False) -> bytes | None:
        length = self._int()
        if length < 0:
            return None
        if length > LONGEST_STRING:
            raise unreadable("The table of contents is damaged: a text in it has no end.")
        return self._bytes(length)

    def _string(self) -> str:
        return (self._raw_string() or b"").decode(errors="replace")


def _gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """What was packed as one stream, in pieces of at most PIECE. Raises EOFError when it is cut, or goes on."""
    unpacker = zlib.decompressobj()
    for chunk in chunks:
        data = unpacker.decompress(chunk, PIECE)
        yield data
        while unpacker.unconsumed_tail or len(data) == PIECE:
            data = unpacker.decompress(unpacker.unconsumed_tail, PIECE)
            yield data
    if not unpacker.eof or unpacker.unused_data:
        raise EOFError


def _unzstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """As `_gunzipped`."""
    unpacker = zstd.ZstdDecompressor()
    for chunk in chunks:
        yield unpacker.decompress(chunk, PIECE)  # raises EOFError behind the end
        while not (unpacker.eof or unpacker.needs_input):
            yield unpacker.decompress(b"", PIECE)
    if not unpacker.eof or unpacker.unused_data:
        raise EOFError


class _Joined(io.RawIOBase):
    """Pieces as a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._piece = memoryview(piece)
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count
