"""The rows of one table of a document as lines for COPY: each value in the form of its column, each row counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lifecycle.documents.base import Document, Row
from lifecycle.loading.base import MERGE, Covered
from lifecycle.loading.rejects import Rejects
from lifecycle.loading.texts import Form, Unfit, form_of, line
from opsconsole.engines.structure import Relation
from opsconsole.exceptions import OperationFailed

SHAPES = 500  # different sets of columns that the rows of one table may name
TICK = 2000  # rows
_ABSENT = object()


class NotStraight(Exception):
    """A row leaves a column to its default, which COPY cannot do for single rows."""


class Lines:
    """One reading of one table. A row that leaves out a column which has a default keeps that: rows are told apart by
    the columns that they name, their shape. Without a default, leaving out is NULL, except in a merge."""

    def __init__(
        self, document: Document, table: Covered, relation: Relation, mode: str, rejects: Rejects,
        tick: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._document, self._table, self._rejects, self._tick = document, table, rejects, tick
        fields = [relation.field(pair.target) for pair in table.pairs]
        self.columns = tuple(field.name for field in fields)
        self._forms: list[tuple[str, Form, bool]] = [
            (pair.source, form_of(field, is_json=pair.is_json), mode == MERGE or field.default)
            for pair, field in zip(table.pairs, fields, strict=True)
        ]
        self.merges = mode == MERGE
        self._key = [self.columns.index(name) for name in table.key] if self.merges else []
        self._shapes: dict[frozenset[int], int] = {}
        self.rows = 0  # that were given, rejected ones included
        self.sent = 0

    @property
    def shapes(self) -> Sequence[tuple[int, tuple[str, ...]]]:
        """(number, columns that its rows name) of each shape that was met."""
        return [
            (number, tuple(name for place, name in enumerate(self.columns) if place not in left_out))
            for left_out, number in self._shapes.items()
        ]

    def straight(self) -> Iterator[bytes]:
        """Lines with the values alone. Raises NotStraight."""
        for _, data, left_out in self._fitting():
            if left_out:
                raise NotStraight
            yield data

    def staged(self) -> Iterator[bytes]:
        """Lines with the row's number and its shape in front."""
        for number, data, left_out in self._fitting():
            shape = self._shapes.setdefault(left_out, len(self._shapes))
            if shape > SHAPES:
                raise OperationFailed(
                    "too_ragged",
                    f"The rows of {self._table.source} name more than {SHAPES} different sets of columns.",
                    "Nothing was changed. Have each row name every column.",
                )
            yield b"%d\t%d\t%b" % (number, shape, data)

    def _fitting(self) -> Iterator[tuple[int, bytes, frozenset[int]]]:
        """(number, line, places of the columns that are left out) of every row that fits."""
        self.rows = self.sent = 0
        for row in self._document.rows(self._table.source):
            self.rows += 1
            if self.rows % TICK == 0:
                self._tick(self.rows)
            try:
                data, left_out = self._line(row)
            except Unfit as unfit:
                self._rejects.add(self._table.table, self.rows, str(unfit))
                continue
            self.sent += 1
            yield self.rows, data, left_out
        if self.rows != self._table.rows:
            raise OperationFailed(
                "document_damaged",
                f"The document says {self._table.rows:,} rows of {self._table.source} and holds {self.rows:,}.",
                "Nothing was changed. Use another copy of it.",
            )

    def _line(self, row: Row) -> tuple[bytes, frozenset[int]]:
        texts: list[str | None] = []
        left_out = []
        for place, (source, form, kept) in enumerate(self._forms):
            value = row.get(source, _ABSENT)
            if value is None or value is _ABSENT:
                texts.append(None)
                if value is _ABSENT and kept:
                    left_out.append(place)
                continue
            try:
                texts.append(form(value))
            except (Unfit, ValueError) as error:
                why = str(error) if isinstance(error, Unfit) else "it has no form in that column"
                raise Unfit(f"{self.columns[place]}: {why}") from None
        if left_out and any(place in left_out for place in self._key):
            raise Unfit("it has no key")
        return line(texts), frozenset(left_out) if left_out else _NOTHING


_NOTHING: frozenset[int] = frozenset()
