"""Our own portable documents, as they lie in a folder or came by mail."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from lifecycle.documents.base import Row
from lifecycle.documents.portable import lines_of, row_of
from lifecycle.documents.readers.json_stream import EXACT as SOUND
from lifecycle.documents.reading import Findings, Heading, Reader, SourceFile
from opsconsole.exceptions import OperationFailed

LONGEST_HEAD = 1 << 16
_OPENING = b',"tables":{\n'


class Portable(Reader):
    """One document of ours, or several with different tables."""

    name = "portable"
    label = "Portable JSON of this console"

    def recognises(self, files: Sequence[SourceFile]) -> bool:
        return all(_head(file) is not None for file in files)

    def rows(self, files: Sequence[SourceFile], findings: Findings) -> Iterator[tuple[str, Row | None]]:
        head = _head(files[0]) or {}
        findings.heading = Heading(
            version=head.get("version"),
            version_name=str(head.get("versionName") or ""),
            exported_at=str(head.get("exportedAt") or ""),
        )
        for file in files:
            with file.open() as stream:
                for table, line in lines_of(stream):
                    yield table, None if line is None else _row(line, table)


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
