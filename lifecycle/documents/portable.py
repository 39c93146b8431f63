"""The portable document as text: one JSON document that any JSON reader reads, with one row a line for ours to stream.

    {"version":14,"versionName":"0014_x","exportedAt":"2026-01-05T12:00:00.000000Z","tables":{
    "users":[
    {"id":1,"name":"Ada"},
    {"id":2,"name":"Grace"}
    ],
    "empty":[
    ]
    }}

A document holds one table or all of them; rows are written by `values.encode`, or by a database that writes the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import IO

from lifecycle.documents.base import Row, Summary
from lifecycle.documents.values import decode, encode, no_constant
from opsconsole.exceptions import OperationFailed

GATHERED = 1 << 18  # bytes of rows that are read at once where only their number is wanted
LONGEST_LINE = 256 << 20  # bytes of one row; a longer one is taken for an attack on memory
_END_OF_TABLE = b"]"
_END = b"}}\n"


class DocumentWriter:
    """Writes one document into `sink`, which is given bytes in order. Rows may be given as objects or ready lines."""

    def __init__(self, sink: Callable[[bytes], object], summary: Summary) -> None:
        self._sink = sink
        sink(head_of(summary))
        self._tables = 0
        self._rows = 0

    def table(self, name: str) -> None:
        """Begin a table; the one before ends."""
        self._end_table()
        self._sink((b",\n" if self._tables else b"") + begin_of(name))
        self._tables, self._rows = self._tables + 1, 0

    def row(self, row: Row) -> None:
        self.line(encode(row))

    def line(self, line: bytes) -> None:
        """One row that is JSON already, without its newline; or several, with a comma and a newline between them."""
        self._sink(b",\n" + line if self._rows else line)
        self._rows += 1

    def finish(self) -> None:
        """End the document."""
        self._end_table()
        self._sink(b"\n" * bool(self._tables) + _END)

    def _end_table(self) -> None:
        if self._tables:
            self._sink(b"\n" * bool(self._rows) + _END_OF_TABLE)


def head_of(summary: Summary) -> bytes:
    """The first line of a document."""
    head = {"version": summary.version, "versionName": summary.version_name, "exportedAt": summary.exported_at}
    return json.dumps(head, ensure_ascii=False)[:-1].encode() + b',"tables":{\n'


def begin_of(table: str) -> bytes:
    """The line before a table's rows."""
    return json.dumps(table, ensure_ascii=False).encode() + b":[\n"


def rows_of(stream: IO[bytes], *, plain: Callable[[str], frozenset[str]] = lambda table: frozenset()) -> Iterator[
    tuple[str, Row | None]
]:  # fmt: skip
    """(table, row) of each row of a document in order; (table, None) where a table begins.

    `plain(table)` names the columns whose objects are never special (see `values`). Raises
    OperationFailed("document_damaged") for anything that `DocumentWriter` does not write.
    """
    exempt: frozenset[str] = frozenset()
    for table, line in lines_of(stream):
        if line is None:
            exempt = plain(table)
            yield table, None
        else:
            yield table, row_of(line, table, exempt)


def counts_of(stream: IO[bytes]) -> dict[str, int]:
    """Rows by table of a document, every one of which was read. Raises OperationFailed("document_damaged").

    Rows are read many at once where nothing in them is special; else, and where that fails, one by one.
    """
    counted: dict[str, int] = {}
    gathered: list[bytes] = []
    size, current = 0, ""
    for table, line in lines_of(stream):
        if line is None or size > GATHERED:
            _read_all(gathered, current)
            gathered, size = [], 0
        if line is None:
            if table in counted:
                raise _damaged(f"it holds {table} twice")
            counted[table], current = 0, table
        else:
            gathered.append(line)
            size += len(line)
            counted[table] += 1
    _read_all(gathered, current)
    return counted


def _read_all(lines: list[bytes], table: str) -> None:
    block = b",".join(lines)
    if b'"$' not in block:
        try:
            found = json.loads(b"[" + block + b"]", parse_constant=no_constant)
        except (ValueError, RecursionError):
            found = None  # one of them is to blame, or has a number that needs more care
        if found is not None and len(found) == len(lines) and all(isinstance(row, dict) for row in found):
            return
    for line in lines:
        row_of(line, table)


def lines_of(stream: IO[bytes]) -> Iterator[tuple[str, bytes | None]]:
    """Like `rows_of`, with each row as its line, which nobody has read yet."""
    lines = _lines(stream)
    _head(next(lines, b""))
    table, begun = "", False
    for line in lines:
        if line == _END:
            if next(lines, None) is not None:
                raise _damaged("there is something behind its end")
            return
        if line.startswith(b'"'):
            table, begun = _table(line), True
            yield table, None
        elif not line.startswith(_END_OF_TABLE):
            if not begun:
                raise _damaged("a row stands before any table")
            yield table, line.rstrip(b",\n")
    raise _damaged("it ends in the middle")


def row_of(line: bytes, table: str, plain: frozenset[str] = frozenset()) -> Row:
    """The row in a line of `lines_of`. Raises OperationFailed("document_damaged")."""
    try:
        return decode(line, plain=plain)
    except (ValueError, RecursionError) as error:
        raise _damaged(f"a row of {table} cannot be read ({error})") from error


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    while line := stream.readline(LONGEST_LINE):
        if not line.endswith(b"\n"):
            raise _damaged("a line is too long, or the end is missing")
        yield line


def _head(line: bytes) -> None:
    if not line.startswith(b'{"version"') or not line.endswith(b',"tables":{\n'):
        raise _damaged("it does not begin as one of ours")


def _table(line: bytes) -> str:
    try:
        return str(json.loads(line.removesuffix(b":[\n")))
    except ValueError as error:
        raise _damaged("a table's name cannot be read") from error


def _damaged(how: str) -> OperationFailed:
    return OperationFailed("document_damaged", f"The document is damaged: {how}.", "Use another copy of it.")
