"""Reading bytes with one reader, in this process: what it finds, without the child that it runs in elsewhere."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifecycle.documents.base import refusing
from lifecycle.documents.known import READERS, reader_of
from lifecycle.documents.reading import Findings, SourceFile

FIXTURES = Path(__file__).parents[2] / "fixtures" / "documents"
KNOWN = {reader.name: reader for reader in READERS}


@dataclass
class Read:
    """What a reader made of a file."""

    format: str
    tables: dict[str, list[Mapping[str, Any]]]
    findings: Findings

    @property
    def codes(self) -> set[str]:
        return {problem.code for problem in self.findings.problems}

    @property
    def errors(self) -> set[str]:
        return {problem.code for problem in refusing(self.findings.problems)}

    def told(self, code: str) -> str:
        """The texts of the problems of that code."""
        return " ".join(f"{it.text} {it.next_step}" for it in self.findings.problems if it.code == code)


def file_of(content: bytes, name: str = "given") -> SourceFile:
    return SourceFile(name=name, size=len(content), open=lambda: io.BytesIO(content))  # type: ignore[arg-type]


def read(content: bytes | Path, *beside: SourceFile, name: str = "given") -> Read:
    """By the reader that recognises it, to the end."""
    if isinstance(content, Path):
        content, name = content.read_bytes(), content.name
    files = [file_of(content, name), *beside]
    reader, findings = reader_of(files), Findings()
    tables: dict[str, list[Mapping[str, Any]]] = {}
    for table, row in reader.rows(files, findings):
        rows = tables.setdefault(table, [])
        if row is not None:
            rows.append(row)
    return Read(reader.name, tables, findings)
