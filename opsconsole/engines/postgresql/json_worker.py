"""A program of its own that writes rows of PostgreSQL as portable documents, and digests them, for `copying`.

What a document looks like is told in lifecycle/documents/portable.py: a head, for each table a line that begins it, its
rows one a line, and an end. The lines come ready from the server (see json_rows.py). A digest does not depend on the
order of rows, as in digest_worker, whose way of counting it shares.

Like `copy_worker` it is run by its path and imports nothing of the project but the files beside it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal

from backports import zstd

if TYPE_CHECKING or __package__:
    from opsconsole.engines.object_bytes import Counted, Outgoing, write_all
    from opsconsole.engines.postgresql.copy_worker import (
        BLOCK,
        Worker,
        make_durable,
        serve,
    )
    from opsconsole.engines.postgresql.digest_worker import Multiset
else:  # as a program: its folder comes last, so that no name in it hides one of a package
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    from copy_worker import BLOCK, Worker, make_durable, serve
    from digest_worker import Multiset
    from object_bytes import Counted, Outgoing, write_all

BETWEEN, END_OF_TABLE, END = b",\n", b"]", b"}}\n"
_SIGNS = (b'"NaN"', b'Infinity"')  # without one of these in a block there is nothing to replace


class JsonWorker(Worker):
    def __init__(self, channel: Any) -> None:
        super().__init__(channel)
        self._tables: list[dict[str, Any]] = []

    def remember(self, task: dict[str, Any], _: int | None) -> dict[str, Any]:
        """A table of the document that comes next: all of them are too much for one message."""
        self._tables.append(task)
        return {}

    def document(self, task: dict[str, Any], descriptor: int | None) -> dict[str, Any]:
        """The remembered tables and the task's own as one document, compressed into the descriptor, durable at the end.

        How many rows each has goes ahead as a message of its own.
        """
        assert descriptor is not None
        counted, compressor = Counted(self.channel.chunk), zstd.ZstdCompressor(level=task["level"])
        stored = Outgoing(counted, lambda data: write_all(descriptor, data), task.get("recipients", ()))

        def put(data: bytes, mode: Literal[0, 1, 2] = zstd.ZstdCompressor.CONTINUE) -> None:
            counted.plain(data)
            stored.take(compressor.compress(data, mode))
            self.channel.progress(counted.plain_size)

        try:
            self._write(task, put)
            stored.finish()
        finally:
            stored.abandon()
        make_durable(descriptor)
        self._tables = []
        return counted.facts()

    def digest_document(self, task: dict[str, Any], descriptor: int | None) -> dict[str, Any]:
        """The rows of each table of an object, whose bytes must be the expected ones; each goes ahead as a message."""
        assert descriptor is not None
        counted, name, rows = Counted(), b"", Multiset()

        def tell() -> None:
            if name:
                self.channel.send({"part": rows.facts() | {"table": json.loads(name.removesuffix(b":["))}})

        with closing(self._plain(task, descriptor, counted)) as blocks:
            for line in _lines(blocks):
                if line.startswith(b"{") and name:
                    rows.take((line.removesuffix(b","),))
                elif line.startswith(b'"'):
                    tell()
                    name, rows = line, Multiset()
        tell()
        return counted.facts()

    def digest_rows(self, task: dict[str, Any], _: int | None) -> dict[str, Any]:
        """The rows of a table as they would stand in a document."""
        rows, size = Multiset(), 0
        for block in self._blocks(task):
            size += len(block)
            rows.take(block.split(b"\n")[:-1])
            self.channel.progress(size)
        return rows.facts() | {"plain_size": size}

    def _write(self, task: dict[str, Any], put: Callable[..., None]) -> None:
        put(task["head"].encode())
        tables = [*self._tables, *task["tables"]]
        for number, table in enumerate(tables):
            put((BETWEEN if number else b"") + table["begin"].encode())
            rows = self._write_rows(table, put)
            put((b"\n" if rows else b"") + END_OF_TABLE)
            self.channel.send({"part": {"table": table["name"], "rows": rows}})
        put((b"\n" if tables else b"") + END, zstd.ZstdCompressor.FLUSH_FRAME)

    def _write_rows(self, table: dict[str, Any], put: Callable[[bytes], None]) -> int:
        begun = False
        for block in self._blocks(table):
            lines = block.replace(b"\n", BETWEEN)[: -len(BETWEEN)]
            put(BETWEEN + lines if begun else lines)
            begun = True
        return self._sent

    def _blocks(self, table: dict[str, Any]) -> Iterator[bytes]:
        """The rows of one statement, each with a line feed behind it, in blocks of whole rows."""
        replacements = [(old.encode(), new.encode()) for old, new in table["replacements"]]
        connection = self._copying_out(table["sql"])
        gathered, next_row = bytearray(), connection.get_copy_data
        while True:  # the server sends a message a row, as for copy_out
            length, data = next_row(0)
            if length <= 0:
                break
            gathered += data
            if len(gathered) >= BLOCK:
                yield _replaced(bytes(gathered), replacements)
                gathered.clear()
        if gathered:
            yield _replaced(bytes(gathered), replacements)
        self._sent = self._finish(connection)


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their ends, in constant memory for lines of a sane length."""
    begun: list[bytes] = []
    for block in blocks:
        first, *lines = block.split(b"\n")
        begun.append(first)
        if lines:
            yield b"".join(begun)
            yield from lines[:-1]
            begun = [lines[-1]]


def _replaced(block: bytes, replacements: list[tuple[bytes, bytes]]) -> bytes:
    if replacements and any(sign in block for sign in _SIGNS):
        for old, new in replacements:
            block = block.replace(old, new)
    return block


if __name__ == "__main__":
    serve(JsonWorker)
