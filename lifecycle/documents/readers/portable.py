"""Our own portable documents, as they lie in a folder or came by mail."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from lifecycle.documents.base import Row
from lifecycle.documents.portable import rows_of
from lifecycle.documents.reading import Findings, Heading, Reader, SourceFile

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
                yield from rows_of(stream)


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
