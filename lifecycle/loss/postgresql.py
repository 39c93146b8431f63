"""PostgreSQL's sides: a database as it is now (the live one, or one that a swap kept), and a native archive."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import islice

from lifecycle.backups.manifest import Manifest
from lifecycle.formats.base import Archive, TableContent
from lifecycle.formats.postgresql_base import connector_of
from lifecycle.formats.postgresql_rows import by_key
from lifecycle.formats.streams import plain_bytes
from lifecycle.loss.sides import Asked, Deadline, OutOfTime, Row, Shape, Side
from lifecycle.loss.times import from_any, from_days, from_microseconds
from opsconsole.engines.base import Engine
from opsconsole.engines.postgresql.copy_rows import (
    copy_stream,
    fields_at,
    fields_of,
    packed,
    raw_rows,
    without_type_numbers,
)
from opsconsole.engines.postgresql.moment import Moment, TooSlow, moment

VENDOR = "postgresql"
SAMPLED_OBJECTS = 10
FOREVER = 1 << 63
BINARY, TEXT = "binary", "text"
_LONG, _SHORT = struct.Struct("!q"), struct.Struct("!i")


class Reader:
    """Takes the rows of one table out of a COPY stream, and watches its time column."""

    def __init__(self, asked: Asked) -> None:
        names = asked.shape.names
        self.binary = asked.form == BINARY
        self.places = tuple(names.index(name) for name in asked.shape.key) if asked.shape.has_key else ()
        self._arrays = [names.index(name) for name in asked.numbered] if self.binary else []
        self._time_at = names.index(asked.time) if asked.time else None
        self._newest: bytes = b""
        self._newest_number = -FOREVER

    def rows(self, blocks: Iterator[bytes]) -> Iterator[Row]:
        binary, time_at = self.binary, self._time_at
        wanted = sorted({*self.places, *(() if time_at is None else (time_at,))})
        of_key = [wanted.index(place) for place in self.places]
        for raw in self._alike(raw_rows(blocks, binary=binary)):
            fields = fields_at(raw, wanted, binary=binary) if wanted else []
            if time_at is not None and (value := fields[wanted.index(time_at)]) is not None:
                self._watch(value)
            yield Row(packed([fields[place] for place in of_key]) if of_key else raw, raw)

    def row_of(self, fields: Sequence[bytes | None]) -> tuple[bytes, bytes]:
        """The key and the whole of a row that was looked up, as `rows` and `_plain` give them."""
        (row,) = self._alike([packed(fields)])
        alike = fields_of(row, binary=True)
        return packed([alike[place] for place in self.places]), row

    def key_of(self, row: Row) -> list[bytes | None]:
        return fields_of(row.key, binary=True)

    def _alike(self, rows: Iterable[bytes]) -> Iterable[bytes]:
        return without_type_numbers(rows, self._arrays) if self._arrays else rows

    def newest(self) -> datetime | None:
        """The newest time that was seen; the infinite ones tell nothing."""
        if not self.binary:
            return from_any(self._newest.decode(errors="replace"))
        if self._newest_number == -FOREVER:
            return None
        return (from_microseconds if len(self._newest) == _LONG.size else from_days)(self._newest_number)

    def _watch(self, value: bytes) -> None:
        if not self.binary:
            self._newest = max(self._newest, value) if value[:1].isdigit() else self._newest
            return
        form = _LONG if len(value) == _LONG.size else _SHORT
        (number,) = form.unpack(value)
        if self._newest_number < number < (1 << (8 * form.size - 1)) - 1:
            self._newest, self._newest_number = value, number


class DatabaseSide(Side):
    """A database of a server at one moment."""

    def __init__(self, name: str, now: Moment) -> None:
        self.name = name
        self._now = now
        self._readers: dict[str, Reader] = {}

    def counts(self) -> Mapping[str, tuple[int | None, bool]]:
        return {name: self._count(name) for name in self._now.tables}

    def shapes(self) -> Mapping[str, Shape]:
        return {name: Shape(columns=table.columns, key=table.key) for name, table in self._now.tables.items()}

    def form(self, table: str) -> str:
        found = self._now.tables.get(table)
        return BINARY if found is None or found.binary else TEXT

    def numbered(self, table: str) -> tuple[str, ...]:
        found = self._now.tables[table]
        return tuple(sorted(self._now.numbered.get((found.schema, found.name), ())))

    def rows(self, asked: Asked) -> Iterator[Row]:
        reader = self._readers[asked.table] = Reader(asked)
        with _in_time():
            yield from reader.rows(self._now.blocks(asked.table, asked.shape.names, binary=reader.binary))

    def digest(self, asked: Asked) -> str:
        total = hashlib.sha256()
        with _in_time():
            for block in self._now.blocks(asked.table, asked.shape.names, binary=asked.form == BINARY):
                total.update(block)
        return f"sha256:{total.hexdigest()}"

    def newest(self, asked: Asked) -> datetime | None:
        if asked.table in self._readers:
            return self._readers[asked.table].newest()
        try:
            with _in_time():
                return from_any(self._now.newest(asked.table, asked.time))
        except OutOfTime:
            return None

    def stream(self, asked: Asked, rows: Iterable[Row]) -> Iterator[bytes]:
        """A COPY stream, in the form of the backup's."""
        return copy_stream((row.row for row in rows), binary=asked.form == BINARY)

    def sample(self, asked: Asked, wanted: int) -> list[Row]:
        reader = Reader(asked)
        percent = min(100.0, 200.0 * wanted / max(1, self._count(asked.table)[0] or 1))
        with _in_time():
            blocks = self._now.blocks(asked.table, asked.shape.names, binary=reader.binary, percent=percent)
            rows = list(islice(reader.rows(blocks), wanted))
            blocks.close()  # the rest is not read
        return [_plain(row, asked) for row in rows]

    def find(self, asked: Asked, rows: Sequence[Row]) -> dict[bytes, bytes]:
        reader = Reader(asked)
        keys = [reader.key_of(row) for row in rows]
        found = {}
        with _in_time():
            for fields in self._now.find(asked.table, asked.shape.names, asked.shape.key, keys, binary=reader.binary):
                key, row = reader.row_of(fields)
                found[key] = row
        return found

    def _count(self, name: str) -> tuple[int | None, bool]:
        try:
            with _in_time():
                return self._now.count(name), True
        except OutOfTime:
            return self._now.tables[name].estimate, False


class ArchiveSide(Side):
    """An archive. `known` are the shapes of its tables."""

    def __init__(
        self, name: str, archive: Archive, manifest: Manifest, known: Mapping[str, Shape], deadline: Deadline
    ) -> None:
        contents = manifest.contents
        self._deadline = deadline
        self.name = name
        self.at = datetime.fromisoformat(manifest.started_at)
        self._archive = archive
        self._objects = by_key(contents)
        self._tables = {table.name: table for table in contents.tables}
        self._known = known
        self._readers: dict[str, Reader] = {}
        if contents.format != "native":
            kind = "portable" if contents.format == "json" else "an archive of pg_dump"
            self.hidden_why = f"the backup is {kind}, and its rows are not compared one by one"

    def counts(self) -> Mapping[str, tuple[int | None, bool]]:
        return {name: (table.rows, True) for name, table in self._tables.items()}

    def shapes(self) -> Mapping[str, Shape]:
        return self._known

    def form(self, table: str) -> str:
        keys = self._tables[table].objects
        return BINARY if keys and keys[0].endswith(".bin.zst") else TEXT

    def rows(self, asked: Asked) -> Iterator[Row]:
        reader = self._readers[asked.table] = Reader(asked)
        for key in self._table(asked).objects:
            yield from reader.rows(self._deadline.while_left(plain_bytes(self._archive, self._objects[key])))

    def digest(self, asked: Asked) -> str:
        table = self._table(asked)
        return table.digest if len(table.objects) == 1 else ""

    def newest(self, asked: Asked) -> datetime | None:
        return self._readers[asked.table].newest() if asked.table in self._readers else None

    def sample(self, asked: Asked, wanted: int) -> list[Row]:
        """The first rows of objects all over the table; of a table in few objects, rows all over these."""
        keys = self._table(asked).objects
        if len(keys) < SAMPLED_OBJECTS:
            stride = max(1, self._table(asked).rows // wanted)
            rows = [row for key in keys for row in islice(self._some(asked, key), 0, None, stride)]
        else:
            chosen = [keys[place * (len(keys) - 1) // (SAMPLED_OBJECTS - 1)] for place in range(SAMPLED_OBJECTS)]
            rows = [row for key in chosen for row in islice(self._some(asked, key), wanted // SAMPLED_OBJECTS)]
        return [_plain(row, asked) for row in rows]

    def _some(self, asked: Asked, key: str) -> Iterator[Row]:
        """The rows of one object for as long as there is time; whoever takes only some leaves the rest unread."""
        with closing(plain_bytes(self._archive, self._objects[key])) as blocks:
            yield from Reader(asked).rows(self._deadline.while_left(blocks))

    def _table(self, asked: Asked) -> TableContent:
        return self._tables[asked.table]


@contextmanager
def beside_backup(
    live: Engine, archive: Archive, manifest: Manifest, name: str, deadline: Deadline
) -> Iterator[tuple[Side, Side]]:
    """The live database, and a backup that is about to take its place."""
    encoding = str(manifest.contents.source.get("encoding", ""))
    with moment(connector_of(live), lambda: deadline.left, encoding=encoding) as now:
        side = DatabaseSide("the database", now)
        yield side, ArchiveSide(name, archive, manifest, _known(live, side, manifest), deadline)


@contextmanager
def beside_kept(live: Engine, database: str, name: str, deadline: Deadline) -> Iterator[tuple[Side, Side]]:
    """The live database, and another one of its server that is about to come back."""
    connector = connector_of(live)
    with (
        moment(connector, lambda: deadline.left) as now,
        moment(connector, lambda: deadline.left, database=database) as then,
    ):
        yield DatabaseSide("the database", now), DatabaseSide(name, then)


def _known(live: Engine, now: Side, manifest: Manifest) -> Mapping[str, Shape]:
    """The shapes of an archive's tables. An older one does not tell them; they are known while nothing changed."""
    contents = manifest.contents
    if contents.format != "native":
        return {}
    if shapes := contents.source.get("shapes"):
        return {
            name: Shape(columns=tuple((column, kind) for column, kind in raw["columns"]), key=tuple(raw["key"]))
            for name, raw in shapes.items()
        }
    return now.shapes() if live.schema_fingerprint() == contents.schema_fingerprint else {}


def _plain(row: Row, asked: Asked) -> Row:
    """Rows that are looked up are compared field by field, without the escapes of the text form."""
    return row if asked.form == BINARY else Row(row.key, packed(fields_of(row.row, binary=False)))


@contextmanager
def _in_time() -> Iterator[None]:
    try:
        yield
    except TooSlow as slow:
        raise OutOfTime(slow.why) from None
