"""A program of its own that digests rows, for `digests`: of objects, of tables, and of what pg_restore writes as SQL.

A digest does not depend on the order of rows, for a restored table lies in another order: it is the sum over all rows
of blake2b-128 of the row's bytes as they travel in a COPY stream, modulo 2^128, as 32 hexadecimal digits.

Like `copy_worker`, whose channel and tasks it shares, it is run by its path and imports nothing of the project but
its `copy_rows` and `object_bytes`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from opsconsole.engines.object_bytes import READ, Broken, Counted
    from opsconsole.engines.postgresql.copy_rows import NotACopyStream, raw_rows, without_type_numbers
    from opsconsole.engines.postgresql.copy_worker import Worker, serve
else:  # as a program: its folder comes last, so that no name in it hides one of a package
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    from copy_rows import NotACopyStream, raw_rows, without_type_numbers
    from copy_worker import Worker, serve
    from object_bytes import READ, Broken, Counted

MODULUS = 1 << 128
HEADER = 19  # bytes before the first row of a binary stream without an extension
COPY_BEGINS, COPY_ENDS = b"COPY ", b" FROM stdin;"


class Multiset:
    """The digest of rows in any order. `arrays` are numbers of columns whose bytes name a type by its number."""

    def __init__(self, arrays: Iterable[int] = ()) -> None:
        self.rows = self._sum = 0
        self._arrays = frozenset(arrays)

    def take(self, rows: Iterable[bytes]) -> None:
        total, count = self._sum, 0
        for row in without_type_numbers(rows, self._arrays) if self._arrays else rows:
            total += int.from_bytes(blake2b(row, digest_size=16).digest())
            count += 1
        self.rows, self._sum = self.rows + count, total % MODULUS

    def facts(self) -> dict[str, Any]:
        return {"rows": self.rows, "digest": f"{self._sum:032x}"}


class Digester(Worker):
    def digest_object(self, task: dict[str, Any], descriptor: int | None) -> dict[str, Any]:
        """The rows of one object, whose bytes must be the expected ones."""
        assert descriptor is not None
        counted, rows = Counted(), Multiset(task.get("arrays", ()))
        try:
            with closing(self._plain(task, descriptor, counted)) as blocks:
                rows.take(raw_rows(blocks, binary=task["binary"]))
        except NotACopyStream as error:
            raise Broken(str(error)) from error
        return rows.facts() | counted.facts()

    def digest_table(self, task: dict[str, Any], _: int | None) -> dict[str, Any]:
        """The rows of one COPY ... TO STDOUT. The server sends each row as one message."""
        rows = Multiset(task.get("arrays", ()))
        rows.take(self._rows_of(task["sql"], task["binary"]))
        if rows.rows != self._sent:
            raise Broken(f"the server sent {self._sent} rows and {rows.rows} arrived")
        return rows.facts() | {"plain_size": self._size}

    def digest_dump(self, task: dict[str, Any], descriptor: int | None) -> dict[str, Any]:
        """Every COPY block of the SQL that pg_restore writes; each table goes ahead as a message of its own."""
        assert descriptor is not None
        lines = _Lines(descriptor, self.channel)
        for line in lines:
            if not (line.startswith(COPY_BEGINS) and line.endswith(COPY_ENDS)):
                continue
            rows = Multiset()
            rows.take(lines.until_end())
            name = line[len(COPY_BEGINS) : -len(COPY_ENDS)].decode()
            self.channel.send({"part": rows.facts() | {"table": name}})
        return {"plain_size": lines.size}

    def _rows_of(self, statement: str, binary: bool) -> Iterator[bytes]:
        self._size, self._sent, first = 0, 0, True
        connection = self._copying_out(statement)
        while True:
            length, data = connection.get_copy_data(0)
            if length <= 0:
                break
            row = bytes(data)
            self._size += len(row)
            self.channel.progress(self._size)
            if not binary:
                yield row[:-1]
                continue
            row, first = (row[HEADER:] if first else row), False
            if row and row != b"\xff\xff":
                yield row
        self._sent = self._finish(connection)


class _Lines:
    """Lines of a descriptor, without their ends, in constant memory for lines of a sane length."""

    def __init__(self, descriptor: int, channel: Any) -> None:
        self._descriptor, self._channel = descriptor, channel
        self._ready = self._split()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        return self._ready

    def until_end(self) -> Iterator[bytes]:
        """The rows of a COPY block, up to its end mark. Raises Broken when there is none."""
        for line in self._ready:
            if line == rb"\.":
                return
            yield line
        raise Broken("its rows are cut off")

    def _split(self) -> Iterator[bytes]:
        begun: list[bytes] = []  # pieces of a line that is longer than a block
        while block := os.read(self._descriptor, READ):
            self.size += len(block)
            self._channel.progress(self.size)
            first, *lines = block.split(b"\n")
            begun.append(first)
            if lines:
                yield b"".join(begun)
                yield from lines[:-1]
                begun = [lines[-1]]
        if any(begun):
            yield b"".join(begun)


if __name__ == "__main__":
    serve(Digester)
