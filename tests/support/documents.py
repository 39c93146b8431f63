"""Foreign backups for tests: where the fixtures lie, and what a reader makes of files without starting a child."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifecycle.documents.base import Problem
from lifecycle.documents.known import reader_of
from lifecycle.documents.limits import Limits
from lifecycle.documents.reading import Findings, Heading, SourceFile
from lifecycle.documents.sources import Unwrapper

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "documents"
IGNITION, TASKLETS, SOLANA = (FIXTURES / name for name in ("ignition", "tasklets", "solana"))
SOLANA_STAMP = "2025-07-07T02-54-46-719Z"


@dataclass(frozen=True, kw_only=True)
class Read:
    """What a reader made of files."""

    format: str
    tables: dict[str, list[dict[str, Any]]]
    heading: Heading
    problems: list[Problem]
    types: dict[str, Mapping[str, str]]

    @property
    def codes(self) -> list[tuple[str, str]]:
        return [(problem.level, problem.code) for problem in self.problems]


def read(*paths: Path, identities: Sequence[str] = ()) -> Read:
    """Read files in this process, as the child would."""
    with source_files(paths, identities) as files:
        reader, findings = reader_of(files), Findings()
        tables: dict[str, list[dict[str, Any]]] = {}
        for table, row in reader.rows(files, findings):
            tables.setdefault(table, []).extend([] if row is None else [dict(row)])
    return Read(
        format=reader.name, tables=tables, heading=findings.heading, problems=findings.problems, types=findings.types
    )


@contextmanager
def source_files(paths: Iterable[Path], identities: Sequence[str] = ()) -> Iterator[list[SourceFile]]:
    descriptors = {path.name: os.open(path, os.O_RDONLY) for path in paths}
    unwrapper = Unwrapper(limits=Limits(), identities=identities)
    try:
        yield [file for given in descriptors.items() for file in unwrapper.sources(*given)[0]]
    finally:
        for descriptor in descriptors.values():
            os.close(descriptor)
