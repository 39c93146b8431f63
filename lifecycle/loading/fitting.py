"""The rows of one table of a document that fit: each value in the form of its column, each row counted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from lifecycle.documents.base import Document, Row
from lifecycle.loading.base import MERGE, Covered, Pair
from lifecycle.loading.rejects import Rejects
from opsconsole.engines.structure import Field, Relation
from opsconsole.exceptions import OperationFailed

SHAPES = 500  # different sets of columns that the rows of one table may name
TICK = 2000  # rows
Packed = TypeVar("Packed")
Shape = frozenset[int]  # places of the columns that a row leaves out
_NOTHING: Shape = frozenset()


class Unfit(ValueError):
    """A value has no form in a column; the text says why without the value."""


class Fitting(ABC, Generic[Packed]):
    """One reading of one table. A row that leaves out a column which has a default keeps that: rows are told apart by
    the columns that they name, their shape. Without a default, leaving out is NULL, except in a merge."""

    def __init__(
        self, document: Document, table: Covered, relation: Relation, mode: str, rejects: Rejects,
        tick: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._document, self._table, self._rejects, self._tick = document, table, rejects, tick
        fields = [relation.field(pair.target) for pair in table.pairs]
        self.columns = tuple(field.name for field in fields)
        self._forms = [
            (pair.source, self.form(field, pair), mode == MERGE or field.default)
            for pair, field in zip(table.pairs, fields, strict=True)
        ]
        self.merges = mode == MERGE
        self._key = [self.columns.index(name) for name in table.key] if self.merges else []
        self._shapes: dict[Shape, int] = {}
        self.rows = 0  # that were given, rejected ones included

    @abstractmethod
    def form(self, field: Field, pair: Pair) -> Callable[[Any], Any]:
        """How values of a column are written that are not NULL; the function raises Unfit or ValueError."""

    @abstractmethod
    def pack(self, values: list[Any]) -> Packed:
        """A row of such values as it is sent. Raises Unfit."""

    @property
    def shapes(self) -> Sequence[tuple[int, tuple[str, ...]]]:
        """(number, columns that its rows name) of each shape that was met."""
        return [(number, self.named(left_out)) for left_out, number in self._shapes.items()]

    def named(self, left_out: Shape) -> tuple[str, ...]:
        return tuple(name for place, name in enumerate(self.columns) if place not in left_out)

    def shape(self, left_out: Shape) -> int:
        """The number of a shape. Raises OperationFailed when there are too many."""
        number = self._shapes.setdefault(left_out, len(self._shapes))
        if number >= SHAPES:
            raise OperationFailed(
                "too_ragged",
                f"The rows of {self._table.source} name more than {SHAPES} different sets of columns.",
                "Nothing was changed. Have each row name every column.",
            )
        return number

    def fitting(self) -> Iterator[tuple[int, Packed, Shape]]:
        """(number, row, shape) of every row that fits. Raises OperationFailed when the document is not whole."""
        self.rows = 0
        for row in self._document.rows(self._table.source):
            self.rows += 1
            if self.rows % TICK == 0:
                self._tick(self.rows)
            try:
                packed, left_out = self._packed(row)
            except Unfit as unfit:
                self._rejects.add(self._table.table, self.rows, str(unfit))
                continue
            yield self.rows, packed, left_out
        if self.rows != self._table.rows:
            raise OperationFailed(
                "document_damaged",
                f"The document says {self._table.rows:,} rows of {self._table.source} and holds {self.rows:,}.",
                "Nothing was changed. Use another copy of it.",
            )

    def _packed(self, row: Row) -> tuple[Packed, Shape]:
        values: list[Any] = []
        left_out = []
        for place, (source, form, kept) in enumerate(self._forms):
            value = row.get(source)
            if value is None:
                values.append(None)
                if kept and source not in row:
                    left_out.append(place)
                continue
            try:
                values.append(form(value))
            except ValueError as error:
                why = str(error) if isinstance(error, Unfit) else "it has no form in that column"
                raise Unfit(f"{self.columns[place]}: {why}") from None
        if left_out and any(place in left_out for place in self._key):
            raise Unfit("it has no key")
        return self.pack(values), frozenset(left_out) if left_out else _NOTHING
