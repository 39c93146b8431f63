"""What a load would take away: rows that only the database has, and rows that the document would overwrite.

By key where that is quick, each row of the document looked up in the database; by counts at the least. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, islice
from typing import Any, Protocol

from lifecycle.documents.base import Document
from lifecycle.loading.base import MERGE, Covered, Options, Survey
from lifecycle.loading.fitting import Fitting
from lifecycle.loading.rejects import Rejects
from lifecycle.loss.comparing import Limits
from lifecycle.loss.sides import Deadline, OutOfTime
from lifecycle.loss.times import from_any, time_column
from lifecycle.loss.values import LossPreview, TableLoss, biggest_first
from opsconsole.engines.structure import Relation
from opsconsole.exceptions import OperationFailed

AT_ONCE = 1000  # rows that are looked up together


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Of some rows of a document: how many the database has by key, and how many of these say something else."""

    found: int
    changed: int


class Comparing(Protocol):
    """The database, open for looking rows up."""

    loose_times: bool  # whether times are kept in columns of any type

    def fitting(self, document: Document, table: Covered, survey: Survey, rejects: Rejects) -> Fitting[list[Any]]:
        """One reading of a table of the document, its values as `beside` takes them."""
        ...

    def beside(
        self, relation: Relation, columns: Sequence[str], key: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> Beside:
        """Look rows up. Raises OutOfTime, and Unlike when the database does not understand one of them."""
        ...

    def newest(self, relation: Relation, column: str) -> object:
        """The largest value of a column, as the vendor gives it. Raises OutOfTime."""
        ...


class Unlike(Exception):
    """The database does not take a value of the document for one of its own."""


def preview(live: Comparing, document: Document, survey: Survey, limits: Limits, deadline: Deadline) -> LossPreview:
    """Every table that rows go into or are taken from, the small ones first, so that the deadline spares these."""
    tables = sorted(survey.tables, key=lambda table: max(table.live, table.rows))
    found = [_table(live, document, survey, table, limits, deadline) for table in tables]
    cleared = [
        TableLoss(table=item.table, rows_live=item.live, rows_other=0, only_live=item.live, changed=0, only_other=0)
        for item in survey.uncovered
        if item.cleared
    ]
    return LossPreview(
        tables=biggest_first([*found, *cleared]),
        other=document.summary.label,
        other_at=from_any(document.summary.exported_at),
    )


def _table(
    live: Comparing, document: Document, survey: Survey, table: Covered, limits: Limits, deadline: Deadline
) -> TableLoss:
    least = _by_counts(table, survey.mode)
    if not table.live or not table.rows:
        return replace(least, changed=0, exact=True)
    if max(table.live, table.rows) > limits.exact_rows:
        return replace(least, note="only the counts are compared: it is too large")
    if not table.key:
        return replace(
            least, note="only the counts are compared: it has no key that the document knows", comparable=False
        )
    try:
        return _by_key(live, document, survey, table, least, deadline)
    except OutOfTime as over:
        return replace(least, note=f"only the counts are compared: {over.why}")
    except Unlike:
        return replace(least, note="only the counts are compared: a value does not fit its column")
    except OperationFailed as error:
        return replace(least, note=f"only the counts are compared: {error.why}")


def _by_counts(table: Covered, mode: str) -> TableLoss:
    """The least that can be said. A merge takes no row away."""
    merges = mode == MERGE
    return TableLoss(
        table=table.table,
        rows_live=table.live,
        rows_other=max(table.live, table.rows) if merges else table.rows,
        only_live=0 if merges else max(0, table.live - table.rows),
        changed=None,
        only_other=max(0, table.rows - table.live),
        exact=False,
    )


def _by_key(
    live: Comparing, document: Document, survey: Survey, table: Covered, least: TableLoss, deadline: Deadline
) -> TableLoss:
    relation = survey.structure.relations[table.table]
    fitting = live.fitting(document, table, survey, Rejects(Options(), None))
    watched = _Newest(fitting, relation, loose=live.loose_times)
    found = changed = 0
    for left_out, some in groupby(watched.rows(), key=lambda row: row[1]):
        rows = (values for values, _ in some)
        columns = fitting.named(left_out)
        if not set(table.key) <= set(columns):
            continue  # the database numbers such rows itself
        while batch := [_named(values, left_out) for values in islice(rows, AT_ONCE)]:
            deadline.check()
            beside = live.beside(relation, columns, table.key, batch)
            found, changed = found + beside.found, changed + beside.changed
    merges = survey.mode == MERGE
    only_other = max(0, table.rows - found)
    return replace(
        least,
        rows_other=table.live + only_other if merges else table.rows,
        only_live=0 if merges else max(0, table.live - found),
        changed=changed,
        only_other=only_other,
        newest_live=from_any(live.newest(relation, watched.column)) if watched.column else None,
        newest_other=watched.newest,
        exact=True,
        note=_not_compared(table, survey.mode),
    )


def _named(values: Sequence[Any], left_out: frozenset[int]) -> Sequence[Any]:
    return [value for place, value in enumerate(values) if place not in left_out] if left_out else values


def _not_compared(table: Covered, mode: str) -> str:
    if mode == MERGE or not table.defaults:
        return ""
    return f"set to their defaults, which is not counted as a change: {', '.join(table.defaults)}"


class _Newest:
    """Watches the column that tells when rows were written while they go by."""

    def __init__(self, fitting: Fitting[list[Any]], relation: Relation, *, loose: bool) -> None:
        kinds = ((name, relation.field(name).type) for name in fitting.columns)
        self._fitting = fitting
        self.column = time_column(kinds, loose=loose)
        self._place = fitting.columns.index(self.column) if self.column else -1
        self.newest: datetime | None = None

    def rows(self) -> Iterator[tuple[list[Any], frozenset[int]]]:
        for _, values, left_out in self._fitting.fitting():
            at = from_any(values[self._place]) if self.column else None
            if at is not None and (self.newest is None or at > self.newest):
                self.newest = at
            yield values, left_out
