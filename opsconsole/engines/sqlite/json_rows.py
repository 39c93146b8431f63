"""The rows of an SQLite file that nobody else uses as lines of JSON, written by a child process.

Also the program of that child (`python -I json_rows.py PATH TABLE...`): the file may be hostile, and the worst it can
do is to end the child. It imports nothing but the standard library, because it is run by its path. What it writes are
frames: a letter, four bytes of length, and so many bytes. T begins a table (its name), R are rows, as many as the
frame before (N) says and with `,` and a line feed between them, E ends with an error, Z is the end.

Values are written as lifecycle/documents/values.py reads them: integers and texts as they are, reals with as many
digits as they need, blobs as {"$bytes": BASE64}, texts that are not UTF-8 as {"$text": BASE64}.
"""

from __future__ import annotations

import base64
import json
import math
import re
import resource
import sqlite3
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING or __package__:
    from opsconsole import process
    from opsconsole.exceptions import OperationFailed

BETWEEN = b",\n"
MEMORY_BYTES = 4 << 30
ROWS_AT_ONCE, BYTES_AT_ONCE = 200, 1 << 18
ARGUMENTS = 60  # columns in one call of json_object: 3.40 takes 127 arguments
BLOB_IN_JSON = "JSON cannot hold BLOB values"
_FRAME = struct.Struct("!cI")
_TEXT = re.compile("CHAR|CLOB|TEXT", re.IGNORECASE)

# -- in the console -------------------------------------------------------------------------------------------------


class Rows:
    """The child at work: `tables` gives each table's name and its blocks of rows, with how many are in each."""

    def __init__(self, child: process.Child, output: IO[bytes]) -> None:
        self._child, self._output = child, output
        self._kept: tuple[bytes, bytes] | None = None

    def tables(self) -> Iterator[tuple[str, Iterator[tuple[bytes, int]]]]:
        """Each table in order; its blocks are read before the next one is asked for."""
        while True:
            kind, data = self._next()
            if kind == b"Z":
                return
            yield data.decode(), self._blocks()

    def _blocks(self) -> Iterator[tuple[bytes, int]]:
        while True:
            kind, data = self._next()
            if kind != b"N":
                self._kept = kind, data
                return
            yield self._next()[1], int(data)

    def _next(self) -> tuple[bytes, bytes]:
        if self._kept is not None:
            kept, self._kept = self._kept, None
            return kept
        head = self._output.read(_FRAME.size)
        if len(head) < _FRAME.size:
            status = self._child.wait()
            raise OperationFailed(
                "worker_died",
                f"The process that read the copy ended with status {status}.",
                "Look at the memory of this machine, then ask for the operation again.",
            )
        kind, size = _FRAME.unpack(head)
        data = self._output.read(size)
        if kind == b"E":
            raise OperationFailed("target_damaged", f"The copy of the database cannot be read: {data.decode()}.")
        return kind, data


@contextmanager
def reading(path: Path, tables: Sequence[str]) -> Iterator[Rows]:
    """Start to read the rows of these tables. The child ends with the context."""
    argv: list[str | Path] = [process.python(), "-I", __file__, path, *tables]
    child = process.spawn(argv, stdout=process.PIPE, stderr=process.DEVNULL)
    assert child.stdout is not None
    try:
        yield Rows(child, child.stdout)
    finally:
        process.stop(child, grace=0.0)
        process.close_pipes(child)


# -- in the child ---------------------------------------------------------------------------------------------------


def send(kind: bytes, data: bytes) -> None:
    output = sys.stdout.buffer
    output.write(_FRAME.pack(kind, len(data)))
    output.write(data)


def rows_of(connection: sqlite3.Connection, table: str) -> Iterator[list[bytes]]:
    """Each row as JSON, some at a time, in the order of the table's own tree.

    Most columns are read in a way that fails at a blob where none should be; the rest is then read with more care.
    """
    seen = 0
    try:
        for lines in _selected(connection, table, careful=False):
            seen += len(lines)
            yield lines
    except sqlite3.OperationalError as error:
        if BLOB_IN_JSON not in str(error):
            raise
        yield from _selected(connection, table, careful=True, skip=seen)


def _selected(connection: sqlite3.Connection, table: str, *, careful: bool, skip: int = 0) -> Iterator[list[bytes]]:
    facts = connection.execute("SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden = 0", (table,)).fetchall()
    named = [(bytes(name).decode(), bytes(kind).decode("utf-8", "replace")) for name, kind, _ in facts]
    value = _object([(name, _cell(name, careful or not _TEXT.search(kind))) for name, kind in named])
    found = connection.execute(f"SELECT {value} FROM {_quoted(table)} NOT INDEXED LIMIT -1 OFFSET {skip}")
    found.arraysize = ROWS_AT_ONCE
    gathered: list[bytes] = []
    size = 0
    for (line,) in found:
        gathered.append(line)
        size += len(line)
        if size >= BYTES_AT_ONCE:
            yield gathered
            gathered, size = [], 0
    if gathered:
        yield gathered


def _object(cells: list[tuple[str, str]]) -> str:
    """json_object() of all columns, in parts that SQLite takes."""
    parts = [
        "json_object(" + ",".join(f"{_literal(name)},{value}" for name, value in cells[at : at + ARGUMENTS]) + ")"
        for at in range(0, len(cells), ARGUMENTS)
    ]
    whole = parts[0]
    for part in parts[1:]:
        whole = f"substr({whole},1,length({whole})-1)||','||substr({part},2)"
    return f"CAST({whole} AS BLOB)"


def _cell(name: str, careful: bool) -> str:
    """A cell for json_object. A real of at most four decimals is what SQLite writes; others need all their digits."""
    value = _quoted(name)
    if not careful:
        return value
    return (
        f"CASE typeof({value}) WHEN 'integer' THEN {value} WHEN 'text' THEN {value} WHEN 'real' THEN"
        f" CASE WHEN abs({value})>=1e11 OR round({value}*10000.0)/10000.0<>{value} THEN json(exact({value}))"
        f" ELSE {value} END WHEN 'blob' THEN json(exact({value})) END"
    )


def exact(value: Any) -> str:
    """A real or a blob as JSON."""
    if isinstance(value, float):
        if math.isfinite(value):
            return repr(value)
        return json.dumps({"$float": "Infinity" if value > 0 else "-Infinity"})
    return json.dumps({"$bytes": base64.b64encode(value).decode()})


def in_utf8(line: bytes) -> bytes:
    """A row whose texts need not be UTF-8: those that are not become {"$text": BASE64}."""
    row = json.loads(line.decode("utf-8", "surrogateescape"))
    return ("{" + ",".join(f"{json.dumps(name)}:{_told(value)}" for name, value in row.items()) + "}").encode()


def _told(value: Any) -> str:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return json.dumps({"$text": base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()})
    return json.dumps(value, ensure_ascii=False)


def _valid(lines: list[bytes]) -> bytes:
    """The block of these rows, all of it UTF-8."""
    block = BETWEEN.join(lines)
    try:
        block.decode()
    except UnicodeDecodeError:
        return BETWEEN.join(_utf8_or_told(line) for line in lines)
    return block


def _utf8_or_told(line: bytes) -> bytes:
    try:
        line.decode()
    except UnicodeDecodeError:
        return in_utf8(line)
    return line


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _open(path: str) -> sqlite3.Connection:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = sqlite3.connect(f"file:{quote(path)}?immutable=1", uri=True, isolation_level=None)
    connection.text_factory = bytes
    for setting in ("cell_size_check=ON", "mmap_size=0", "query_only=ON"):
        connection.execute(f"PRAGMA {setting}")
    connection.create_function("exact", 1, exact, deterministic=True)
    connection.set_authorizer(_authorize)
    return connection


def _authorize(action: int, first: str | None, second: str | None, schema: str | None, source: str | None) -> int:
    loads = action == sqlite3.SQLITE_FUNCTION and second == "load_extension"
    return sqlite3.SQLITE_DENY if loads or action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK


def main(arguments: list[str]) -> int:
    path, *tables = arguments
    try:
        connection = _open(path)
        for table in tables:
            send(b"T", table.encode())
            for lines in rows_of(connection, table):
                send(b"N", str(len(lines)).encode())
                send(b"R", _valid(lines))
        send(b"Z", b"")
    except (sqlite3.Error, MemoryError) as error:
        send(b"E", (str(error) or type(error).__name__).encode())
        return 1
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
