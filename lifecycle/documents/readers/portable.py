"""Our own portable documents: one alone, or the folder of a portable backup with what lies beside its tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lifecycle.documents.base import Row
from lifecycle.documents.portable import lines_of, row_of
from lifecycle.documents.readers.json_shapes import shape_of, whole_of
from lifecycle.documents.readers.json_stream import EXACT as SOUND
from lifecycle.documents.reading import Findings, Heading, Reader, SourceFile
from opsconsole.exceptions import OperationFailed

LONGEST_HEAD = 1 << 16
SUMMARY = "summary.json"
COMPANIONS = frozenset({SUMMARY, "manifest.json", "schema.json", "schema.dump"})  # of a backup's folder; no rows
_OPENING = b',"tables":{\n'


class Portable(Reader):
    """One document of ours, or several with different tables; a summary among them is held to its word."""

    name = "portable"
    label = "Portable JSON of this console"

    def recognises(self, files: Sequence[SourceFile]) -> bool:
        return any(_head(file) is not None for file in files)

    def rows(self, files: Sequence[SourceFile], findings: Findings) -> Iterator[tuple[str, Row | None]]:
        documents = [(file, head) for file in files if (head := _head(file)) is not None]
        heads = {json.dumps(head, sort_keys=True) for _, head in documents}
        if len(heads) > 1:
            findings.refuse("several_sets", "The documents are not of one backup.", "Give the files of one of them.")
            return
        read = {file.name for file, _ in documents}
        if others := sorted(file.name for file in files if file.name not in read | COMPANIONS):
            findings.warn("left_out", f"Not of this backup, and left out: {', '.join(others[:20])}.")
        promised = _promised(files)
        findings.heading = _heading(documents[0][1])
        findings.types.update({table: told["columns"] for table, told in promised.items()})
        counts: dict[str, int] = {}
        for file, _ in documents:
            with file.open() as stream:
                for table, line in lines_of(stream):
                    counts[table] = counts.get(table, 0) + (line is not None)
                    yield table, None if line is None else _row(line, table)
        if promised and counts != {table: told["rows"] for table, told in promised.items()}:
            findings.refuse(
                "counts_differ",
                "The tables and their rows are not those of the summary.",
                "Give all files of the backup, as they were written.",
            )


def _heading(head: Mapping[str, Any]) -> Heading:
    version = head.get("version")
    return Heading(
        version=version if type(version) is int else None,
        version_name=str(head.get("versionName") or ""),
        exported_at=str(head.get("exportedAt") or ""),
    )


def _promised(files: Sequence[SourceFile]) -> Mapping[str, Any]:
    """What the summary of a backup's folder says of each table: its rows, and its columns with types."""
    for file in files:
        shape = shape_of(file) if file.name == SUMMARY else None
        if shape is not None and (shape.first, shape.opens) == ("tables", "{"):
            tables = whole_of(file)["tables"]
            if all(isinstance(told, dict) and _is_told(told) for told in tables.values()):
                return tables
            raise OperationFailed("unreadable", "The summary is not one of ours.", "Fetch the backup again.")
    return {}


def _is_told(table: Mapping[str, Any]) -> bool:
    columns = table.get("columns")
    has_types = isinstance(columns, dict) and all(isinstance(kind, str) for kind in columns.values())
    return has_types and isinstance(table.get("rows"), int)


def _row(line: bytes, table: str) -> Row:
    """The row, once it is sure that no key stands in it twice: others may have written in the document."""
    row = row_of(line, table)
    try:
        SOUND.decode(line.decode())
    except ValueError as error:
        raise OperationFailed("document_damaged", f"A row of {table} is not sound: {error}.", "Mend it.") from error
    return row


def _head(file: SourceFile) -> dict[str, Any] | None:
    """What the first line says, None when it is not one of ours."""
    first, newline, _ = file.beginning(LONGEST_HEAD).partition(b"\n")
    line = first + newline
    if not line.startswith(b'{"version"') or not line.endswith(_OPENING):
        return None
    try:
        return dict(json.loads(line.removesuffix(_OPENING) + b"}"))
    except ValueError:
        return None
