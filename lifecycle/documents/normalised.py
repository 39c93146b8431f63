"""The normalised document: what a reader made of foreign files, as a folder that everybody else reads.

    summary.json            the Summary, and the facts of each file of rows
    tables/0001.json.zst    one portable document a table, in the order of the summary

The child writes it (`Normaliser`), everybody else opens it (`NormalisedDocument`). Nothing in it is the foreign bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from backports import zstd

from lifecycle.documents.base import Document, DocumentTable, Row, Summary, summary_from, summary_json
from lifecycle.documents.limits import Limits
from lifecycle.documents.portable import DocumentWriter, rows_of
from lifecycle.documents.reading import Findings, Heading
from lifecycle.documents.values import encode
from opsconsole.exceptions import OperationFailed

SUMMARY = "summary.json"
TABLES = "tables"
GATHERED = 1 << 18  # plain bytes kept before they are compressed
MOST_OPEN = 32  # tables whose rows may come in turns; each costs about 1 MiB of memory
OPTIONS = {int(zstd.CompressionParameter.compression_level): 3, int(zstd.CompressionParameter.window_log): 18}
LONGEST_NAME = 500  # characters of a table's or column's name
FARTHEST = 150_000  # digits before or behind the point; PostgreSQL, which holds most, ends at 131 072
MOST_SUMMARY = 64 << 20  # bytes
_FAR = re.compile(rb"[eE][+-]?[0-9]{5}")


@dataclass(frozen=True, kw_only=True)
class TableFile:
    """One table's rows: a portable document, compressed as one zstd frame. `name` is relative to the folder."""

    table: str
    name: str
    size: int
    sha256: str
    plain_size: int
    plain_sha256: str


class Normaliser:
    """Writes the rows that a reader gives, table by table, within the limits."""

    def __init__(self, folder: Path, limits: Limits, findings: Findings) -> None:
        self._folder = folder
        self._limits = limits
        self._findings = findings
        self._open: OrderedDict[str, _OpenTable] = OrderedDict()
        self._tables: dict[str, _OpenTable] = {}
        self._rows = 0
        (folder / TABLES).mkdir(mode=0o700)

    def begin(self, table: str) -> None:
        """A table is there, with rows or without."""
        self._table(table)

    def row(self, table: str, row: Row) -> None:
        self._rows += 1
        if self._rows > self._limits.rows:
            raise _over("rows", f"more than {self._limits.rows} rows")
        self._table(table).row(row)

    def finish(self) -> tuple[tuple[DocumentTable, ...], tuple[TableFile, ...]]:
        """End every table. What is told of each is in the order in which they first came."""
        for opened in self._open.values():
            opened.finish()
        tables = (
            DocumentTable(
                name=opened.name,
                columns=tuple(opened.columns),
                rows=opened.rows,
                types=dict(self._findings.types.get(opened.name, {})),
            )
            for opened in self._tables.values()
        )
        return tuple(tables), tuple(opened.facts() for opened in self._tables.values())

    def _table(self, name: str) -> _OpenTable:
        opened = self._open.get(name)
        if opened is None:
            opened = self._begun(name)
        elif len(self._open) > 1:
            self._open.move_to_end(name)
        return opened

    def _begun(self, name: str) -> _OpenTable:
        if name in self._tables:
            raise _over("turns", f"the rows of more than {MOST_OPEN} tables in turns")
        if len(self._tables) == self._limits.tables:
            raise _over("tables", f"more than {self._limits.tables} tables")
        if not name or len(name) > LONGEST_NAME:
            raise _over("name", "a table without a name, or with an endless one")
        if len(self._open) == MOST_OPEN:
            self._open.popitem(last=False)[1].finish()
        file = f"{TABLES}/{len(self._tables) + 1:04}.json.zst"
        opened = _OpenTable(name, self._folder, file, self._limits, self._findings.heading)
        self._open[name] = self._tables[name] = opened
        return opened


class _OpenTable:
    """One table's document while it is written, and its facts afterwards."""

    def __init__(self, name: str, folder: Path, file: str, limits: Limits, heading: Heading) -> None:
        self.name, self.rows = name, 0
        self.columns: dict[str, None] = {}
        self._limits, self._file = limits, file
        self._stream: BinaryIO = (folder / file).open("xb")
        self._zstd = zstd.ZstdCompressor(options=OPTIONS)
        self._gathered = bytearray()
        self._plain, self._stored = hashlib.sha256(), hashlib.sha256()
        self._plain_size = self._size = 0
        summary = Summary(
            format="", label="", tables=(), version=heading.version, version_name=heading.version_name,
            exported_at=heading.exported_at,
        )  # fmt: skip
        self._writer = DocumentWriter(self._gather, summary)
        self._writer.table(name)

    def row(self, row: Row) -> None:
        if not row.keys() <= self.columns.keys():
            self._learn(row)
        line = self._line(row)
        self.rows += 1
        self._writer.line(line)

    def finish(self) -> None:
        self._writer.finish()
        self._store(self._zstd.compress(bytes(self._gathered), zstd.ZstdCompressor.FLUSH_FRAME))
        self._stream.close()
        del self._writer, self._zstd

    def facts(self) -> TableFile:
        return TableFile(
            table=self.name,
            name=self._file,
            size=self._size,
            sha256="sha256:" + self._stored.hexdigest(),
            plain_size=self._plain_size,
            plain_sha256="sha256:" + self._plain.hexdigest(),
        )

    def _line(self, row: Row) -> bytes:
        try:
            line = encode(row)
        except UnicodeEncodeError as error:
            raise OperationFailed(
                "unreadable", f"A row of {self.name} holds half a character, which is no text.", "Mend it in the file."
            ) from error
        if len(line) > self._limits.row:
            raise _over("row", f"a row of {self.name} longer than {self._limits.row} bytes")
        if (len(line) > FARTHEST or _FAR.search(line)) and _holds_far(list(row.values())):
            raise _over("number", f"a number in {self.name} with more digits than any database holds")
        return line

    def _learn(self, row: Row) -> None:
        self.columns.update(dict.fromkeys(row))
        if len(self.columns) > self._limits.columns:
            raise _over("columns", f"more than {self._limits.columns} columns in {self.name}")
        if any(len(column) > LONGEST_NAME for column in row):
            raise _over("name", f"a column of {self.name} with an endless name")

    def _gather(self, data: bytes) -> None:
        self._gathered += data
        if len(self._gathered) >= GATHERED:
            self._store(self._zstd.compress(bytes(self._gathered)))

    def _store(self, packed: bytes) -> None:
        self._plain.update(self._gathered)
        self._plain_size += len(self._gathered)
        self._gathered.clear()
        self._stored.update(packed)
        self._size += len(packed)
        self._stream.write(packed)


class NormalisedDocument(Document):
    """The folder, opened again."""

    def __init__(self, folder: Path, summary: Summary, files: Mapping[str, TableFile]) -> None:
        self.summary = summary
        self._folder = folder
        self._files = files

    def rows(self, table: str) -> Iterator[Row]:
        try:
            with zstd.open(self._folder / self._files[table].name) as stream:
                for _, row in rows_of(cast(IO[bytes], stream)):
                    if row is not None:
                        yield row
        except (zstd.ZstdError, EOFError, FileNotFoundError) as error:
            raise _damaged() from error


def write_summary(folder: Path, summary: Summary, files: tuple[TableFile, ...], sources: list[dict[str, Any]]) -> None:
    """Write what is known of the document; the last act of the child."""
    whole = {"summary": summary_json(summary), "files": [asdict(file) for file in files], "sources": sources}
    (folder / SUMMARY).write_text(json.dumps(whole, ensure_ascii=False))


def read_summary(folder: Path) -> tuple[Summary, tuple[TableFile, ...], list[dict[str, Any]]]:
    """Inverse of `write_summary`; the child read hostile bytes, so nothing that it says is believed unseen.

    Raises OperationFailed("document_damaged").
    """
    path = folder / SUMMARY
    try:
        if path.stat().st_size > MOST_SUMMARY:
            raise _damaged()
        whole = json.loads(path.read_text())
        summary = summary_from(whole["summary"])
        files = tuple(TableFile(**item) for item in whole["files"])
        fits = all(
            _fits(folder, number, *pair) for number, pair in enumerate(zip(summary.tables, files, strict=True), 1)
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged() from error
    if not fits:
        raise _damaged()
    return summary, files, whole["sources"]


def opened(folder: Path) -> NormalisedDocument:
    """The document of a folder. Raises OperationFailed("document_damaged")."""
    summary, files, _ = read_summary(folder)
    return NormalisedDocument(folder, summary, {file.table: file for file in files})


def _fits(folder: Path, number: int, table: DocumentTable, file: TableFile) -> bool:
    path = folder / f"{TABLES}/{number:04}.json.zst"
    is_plain = path.is_file() and not path.is_symlink() and path.stat().st_size == file.size
    return is_plain and file.table == table.name and file.name == str(path.relative_to(folder))


def _holds_far(value: Any) -> bool:
    """Whether there is a number whose digits would fill the memory of whoever computes with it."""
    if isinstance(value, Decimal):
        return value.is_finite() and (abs(value.adjusted()) > FARTHEST or len(value.as_tuple().digits) > FARTHEST)
    if isinstance(value, dict | list):
        return any(map(_holds_far, value.values() if isinstance(value, dict) else value))
    return False


def _over(limit: str, what: str) -> OperationFailed:
    return OperationFailed(
        f"too_many_{limit}" if limit in {"rows", "tables", "columns"} else f"bad_{limit}",
        f"The document holds {what}, which is beyond what is read.",
        "Split it, or leave out what is not needed.",
    )


def _damaged() -> OperationFailed:
    return OperationFailed("document_damaged", "The normalised document is damaged.", "Have the files read again.")
