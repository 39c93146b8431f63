"""Putting one group of tables after the other into PostgreSQL: straight where nothing speaks against it, else by way of
temporary tables, in which single rows can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

import psycopg
from psycopg import sql

from lifecycle.documents.base import Document
from lifecycle.formats.base import Progress
from lifecycle.loading.base import MERGE, Covered, Group, Survey
from lifecycle.loading.lines import Lines, NotStraight
from lifecycle.loading.ordering import keys_of
from lifecycle.loading.proving import Went, only_keys
from lifecycle.loading.rejects import AGAIN, Rejects, refused
from opsconsole.engines.postgresql import loading, matching
from opsconsole.engines.postgresql.attending import Attendant
from opsconsole.engines.postgresql.complaints import complaint_of, is_of_data
from opsconsole.engines.postgresql.connect import Connection
from opsconsole.engines.postgresql.loading import Range, Staged
from opsconsole.exceptions import OperationFailed


@dataclass(frozen=True)
class _Part:
    """One table of a group, staged."""

    table: Covered
    staged: Staged
    lines: Lines

    def insertions(self, rows: Range | None = None, *, target: sql.Identifier | None = None) -> list[sql.Composed]:
        """One INSERT for each shape of rows; into a shadow nothing is updated, for it is empty."""
        key = self.table.key if target is None and self.lines.merges else ()
        return [
            loading.insertion(self.staged, columns, shape, key, rows=rows, target=target)
            for shape, columns in self.lines.shapes
        ]


class Filling:
    """The tables of one load, in the transaction of `session`. `went` tells what became of each that is done."""

    def __init__(
        self, session: Connection, attendant: Attendant, document: Document, survey: Survey, rejects: Rejects,
        run: Progress,
    ) -> None:  # fmt: skip
        self._session, self._attendant, self._run = session, attendant, run
        self._document, self._survey, self._rejects = document, survey, rejects
        self._total = sum(table.rows for table in survey.tables)
        self._done = 0
        self._number = 0
        self.went: dict[str, Went] = {}

    def fill(self, group: Group) -> None:
        """Load the tables of one group. Raises OperationFailed with the table, the row and the reason."""
        straight = self._survey.mode != MERGE and not group.knotted and not self._rejects.kept
        if not straight or not self._straight(self._survey.table(group.tables[0])):
            self._staged(group)
        self._done += sum(self._survey.table(name).rows for name in group.tables)

    # -- straight -------------------------------------------------------------------------------------------------

    def _straight(self, table: Covered) -> bool:
        """COPY into the table itself; false when that cannot be, or cannot say which row was wrong."""
        lines = self._lines(table)
        if not lines.columns:
            return False
        statement = loading.straight(self._survey.structure.relations[table.table], lines.columns)
        try:
            with loading.applied(self._session):
                affected = loading.copy_in(self._session, statement, lines.straight())
        except NotStraight:
            return False
        except psycopg.Error as error:
            if not is_of_data(error):
                raise
            complaint = complaint_of(error, discreet=table.discreet)
            if complaint.row is None:
                return False
            raise refused(table.table, complaint.row, complaint.why) from error
        self._note(table, affected)
        return True

    # -- by way of temporary tables -------------------------------------------------------------------------------

    def _staged(self, group: Group) -> None:
        parts = [self._stage(self._survey.table(name)) for name in group.tables]
        if self._survey.mode == MERGE:
            for part in parts:
                self._refuse_doubled(part)
        if group.knotted:
            self._at_once(parts)
        else:
            self._alone(parts[0])
        for part in parts:
            loading.drop(self._session, part.staged)

    def _stage(self, table: Covered) -> _Part:
        """The rows of a table in a temporary one, typed. Where rejects are kept, by way of one that takes any text."""
        lines, relation = self._lines(table), self._survey.structure.relations[table.table]
        self._number += 1
        typed = loading.stage(self._session, relation, lines.columns, self._number, typed=True)
        if self._rejects.kept:
            texts = loading.stage(self._session, relation, lines.columns, self._number, typed=False)
            loading.copy_in(self._session, loading.into(texts), lines.staged())
            loading.indexed(self._session, texts)
            self._by_halves(table, lines, lambda rows: [loading.retyped(texts, typed, rows)])
            loading.drop(self._session, texts)
        else:
            self._copy(table, typed, lines)
        loading.indexed(self._session, typed)
        return _Part(table, typed, lines)

    def _copy(self, table: Covered, staged: Staged, lines: Lines) -> None:
        try:
            loading.copy_in(self._session, loading.into(staged), lines.staged())
        except psycopg.Error as error:
            if not is_of_data(error):
                raise
            complaint = complaint_of(error, discreet=table.discreet)
            raise refused(table.table, complaint.row, _renamed(complaint.why, staged)) from error

    def _alone(self, part: _Part) -> None:
        if not self._rejects.kept:
            try:
                with loading.applied(self._session):
                    self._note(part.table, sum(self._execute(part.insertions())))
                return
            except psycopg.Error as error:
                if not is_of_data(error):
                    raise
        self._note(part.table, self._by_halves(part.table, part.lines, part.insertions))

    def _at_once(self, parts: Sequence[_Part]) -> None:
        """Tables whose rows refer to one another go in by one statement, at whose end their references are checked."""
        if self._rejects.kept:
            self._sift(parts)
        statements = [(part, statement) for part in parts for statement in part.insertions()]
        try:
            with loading.applied(self._session):
                affected = self._attendant.during(
                    self._session, lambda: loading.at_once(self._session, [statement for _, statement in statements])
                )
        except psycopg.Error as error:
            if not is_of_data(error):
                raise
            self._explain(parts, error)
        for part in parts:
            self._note(part.table, sum(n for (of, _), n in zip(statements, affected, strict=True) if of is part))

    def _sift(self, parts: Sequence[_Part]) -> None:
        """Take out the rows that cannot go in: first those that break a rule alone, then those without a parent."""
        for part in parts:
            self._number += 1
            shadow = loading.shadow(self._session, part.staged.relation, self._number)
            before = self._rejects.numbers(part.table.table)
            self._by_halves(part.table, part.lines, partial(part.insertions, target=shadow))
            matching.forget(self._session, part.staged, sorted(self._rejects.numbers(part.table.table) - before))
        while any(self._refuse_orphans(part, parts) for part in parts):
            pass

    def _explain(self, parts: Sequence[_Part], error: psycopg.Error) -> NoReturn:
        """Say which row it was. Raises OperationFailed."""
        if not self._rejects.kept:
            self._sift(parts)
        complaint = complaint_of(error, discreet=any(part.table.discreet for part in parts))
        names = ", ".join(part.table.table for part in parts)
        raise OperationFailed(
            "row_refused",
            f"The rows of {names} cannot be loaded together: {complaint.why}.",
            f"{AGAIN} Look at the references and triggers of these tables.",
        ) from error

    def _refuse_doubled(self, part: _Part) -> None:
        """In a merge no row may come twice, or it would depend on their order which one stays."""
        if not part.table.key:
            return  # it has no rows, or the survey would have refused it
        rows = []
        for row, first in matching.doubled(self._session, part.staged, part.table.key):
            self._rejects.add(part.table.table, row, f"its key is that of row {first} too")
            rows.append(row)
        matching.forget(self._session, part.staged, rows)

    def _refuse_orphans(self, part: _Part, parts: Sequence[_Part]) -> bool:
        """Whether rows had to be taken out because what they refer to is not there."""
        structure, found = self._survey.structure, False
        for key in keys_of(structure, part.table.table):
            inside = [p.staged for p in parts if key.parent in (p.table.table, structure.whole(p.table.table))]
            staged = {*part.staged.columns} >= {*key.columns}
            if not staged or any(not {*other.columns} >= {*key.parent_columns} for other in inside):
                continue  # it is left to a default, which only the database knows
            rows = matching.orphans(self._session, part.staged, key, inside, structure.relations[key.parent])
            for row in rows:
                self._rejects.add(part.table.table, row, f"it refers to a row that is not there ({key.name})")
            matching.forget(self._session, part.staged, rows)
            found = found or bool(rows)
        return found

    # -- each step ------------------------------------------------------------------------------------------------

    def _by_halves(self, table: Covered, lines: Lines, statements: loading.Statements) -> int:
        if not lines.rows:
            return 0

        def attempt(rows: Range) -> Sequence[sql.Composed]:
            self._run.check_cancel()
            return statements(rows)

        def refuse(row: int, error: psycopg.Error) -> None:
            self._rejects.add(table.table, row, complaint_of(error, discreet=table.discreet).why)

        return loading.by_halves(self._session, (1, lines.rows), attempt, refuse)

    def _execute(self, statements: Sequence[sql.Composed]) -> list[int]:
        def work() -> list[int]:
            return [self._session.execute(statement).rowcount for statement in statements]

        return self._attendant.during(self._session, work)

    def _lines(self, table: Covered) -> Lines:
        def tick(rows: int) -> None:
            self._run.progress(self._done + rows, self._total, "rows", step=f"Loading {table.table}")
            self._run.check_cancel()

        relation = self._survey.structure.relations[table.table]
        return Lines(self._document, table, relation, self._survey.mode, self._rejects, tick)

    def _note(self, table: Covered, affected: int) -> None:
        rejected = self._rejects.counts.get(table.table, 0)
        self.went[table.table] = Went(affected=affected, rejected=rejected, only_keys=only_keys(self._survey, table))


def _renamed(why: str, staged: Staged) -> str:
    """A complaint about a column of a temporary table, with the column's own name."""
    for place, column in enumerate(staged.columns):
        why = why.replace(f"(c{place})", f"({column})")
    return why
