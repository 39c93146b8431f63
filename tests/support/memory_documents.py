"""Documents in memory for tests: rows by table as they are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lifecycle.documents.base import Document, DocumentTable, Row, Summary


class MemoryDocument(Document):
    """`tables` is rows by table; `types` the source's types by table and column, where it tells them."""

    def __init__(
        self, tables: Mapping[str, Sequence[Row]], *, engine: str = "", types: Mapping[str, Mapping[str, str]] = {}
    ) -> None:
        self._tables = tables
        self.summary = Summary(
            format="test",
            label="a test's",
            engine=engine,
            tables=tuple(
                DocumentTable(name=name, columns=_columns(rows), rows=len(rows), types=types.get(name, {}))
                for name, rows in tables.items()
            ),
        )

    def rows(self, table: str) -> Iterator[Row]:
        yield from self._tables[table]


def _columns(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row))
