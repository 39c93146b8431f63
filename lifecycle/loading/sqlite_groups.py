"""Putting one group of tables after the other into an SQLite file: row by row as they come, or by way of temporary
tables where rows have to be held against one another first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lifecycle.documents.base import Document
from lifecycle.formats.base import Progress
from lifecycle.loading.base import MERGE, Covered, Group, Survey
from lifecycle.loading.cells import Cells
from lifecycle.loading.ordering import keys_of
from lifecycle.loading.proving import Went, only_keys
from lifecycle.loading.rejects import Rejects
from opsconsole.engines.sqlite import loading
from opsconsole.engines.sqlite.loading import Staged


@dataclass(frozen=True)
class _Part:
    """One table of a group, staged."""

    table: Covered
    staged: Staged
    cells: Cells


class Filling:
    """The tables of one load, in the transaction of `connection`. `went` tells what became of each that is done."""

    def __init__(
        self, connection: loading.Connection, document: Document, survey: Survey, rejects: Rejects, run: Progress
    ) -> None:
        self._connection, self._run = connection, run
        self._document, self._survey, self._rejects = document, survey, rejects
        self._total = sum(table.rows for table in survey.tables)
        self._done = 0
        self.went: dict[str, Went] = {}

    def fill_all(self) -> None:
        """Load every table. Raises OperationFailed with the table, the row and the reason. Failpoint: load.half."""
        for group in self._survey.groups:
            self._fill(group)
            rows = sum(self._survey.table(name).rows for name in group.tables)
            if self._done <= self._total / 2 <= self._done + rows:
                self._run.failpoint("load.half")
            self._done += rows

    def _fill(self, group: Group) -> None:
        if self._survey.mode != MERGE and not group.knotted:
            self._straight(self._survey.table(group.tables[0]))
            return
        parts = [self._stage(place, self._survey.table(name)) for place, name in enumerate(group.tables)]
        if self._survey.mode == MERGE:
            for part in parts:
                self._refuse_doubled(part)
        self._together(parts) if group.knotted else self._alone(parts[0])
        for part in parts:
            loading.drop(self._connection, part.staged)

    def _straight(self, table: Covered) -> None:
        cells = self._cells(table)
        rows = ((number, *cells.given(values, left_out)) for number, values, left_out in cells.fitting())
        self._note(table, loading.insert(self._connection, table.table, rows, self._refusing(table)))

    def _stage(self, place: int, table: Covered) -> _Part:
        cells, relation = self._cells(table), self._survey.structure.relations[table.table]
        staged = loading.stage(self._connection, relation, cells.columns, place)
        rows = ((number, cells.shape(left_out), values) for number, values, left_out in cells.fitting())
        loading.keep(self._connection, staged, rows)
        return _Part(table, staged, cells)

    def _alone(self, part: _Part) -> None:
        self._note(part.table, self._insert(part))

    def _together(self, parts: Sequence[_Part]) -> None:
        """Rows that refer to one another: those without a parent are taken out, again whenever one was refused."""
        while True:
            while any(self._refuse_orphans(part, parts) for part in parts):
                pass
            refused = sum(self._rejects.counts.values())
            self._connection.execute("SAVEPOINT together")
            loading.check_later(self._connection, True)
            written = [self._insert(part) for part in parts]
            if sum(self._rejects.counts.values()) == refused:
                break
            self._connection.execute("ROLLBACK TO together")
            for part in parts:
                loading.forget(self._connection, part.staged, self._rejects.numbers(part.table.table))
        self._connection.execute("RELEASE together")
        loading.check_later(self._connection, False)
        for part, rows in zip(parts, written, strict=True):
            self._note(part.table, rows)

    def _insert(self, part: _Part) -> int:
        key = part.table.key if self._survey.mode == MERGE else ()
        return loading.insert_staged(
            self._connection, part.staged, part.cells.shapes, key, self._refusing(part.table), self._run.check_cancel
        )

    def _refuse_doubled(self, part: _Part) -> None:
        """In a merge no row may come twice, or it would depend on their order which one stays."""
        if not part.table.key:
            return  # it has no rows, or the survey would have refused it
        rows = loading.doubled(self._connection, part.staged, part.table.key)
        for row, first in rows:
            self._rejects.add(part.table.table, row, f"its key is that of row {first} too")
        loading.forget(self._connection, part.staged, [row for row, _ in rows])

    def _refuse_orphans(self, part: _Part, parts: Sequence[_Part]) -> bool:
        """Whether rows had to be taken out because what they refer to is not there."""
        found = False
        for key in keys_of(self._survey.structure, part.table.table):
            inside = [each.staged for each in parts if each.table.table == key.parent]
            known = {*part.staged.columns} >= {*key.columns}
            if not known or any(not {*other.columns} >= {*key.parent_columns} for other in inside):
                continue  # it is left to a default, which only the database knows
            rows = loading.orphans(self._connection, part.staged, key, inside)
            for row in rows:
                self._rejects.add(part.table.table, row, f"it refers to a row that is not there ({key.name})")
            loading.forget(self._connection, part.staged, rows)
            found = found or bool(rows)
        return found

    def _refusing(self, table: Covered) -> loading.Refuse:
        return lambda row, error: self._rejects.add(table.table, row, loading.why(error, discreet=table.discreet))

    def _cells(self, table: Covered) -> Cells:
        def tick(rows: int) -> None:
            self._run.progress(self._done + rows, self._total, "rows", step=f"Loading {table.table}")
            self._run.check_cancel()

        relation = self._survey.structure.relations[table.table]
        return Cells(self._document, table, relation, self._survey.mode, self._rejects, tick)

    def _note(self, table: Covered, affected: int) -> None:
        rejected = self._rejects.counts.get(table.table, 0)
        self.went[table.table] = Went(affected=affected, rejected=rejected, only_keys=only_keys(self._survey, table))
