"""Limits of Cloudflare's D1 that a database comes near to, or would not pass.

They are those of developers.cloudflare.com/d1/platform/limits, looked at only for databases that are D1's.
Limits of single statements (100 bound values, 30 seconds) show in no schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

from integrity.checks.base import CAPACITY, Answer, Condition, Moment, Outcome, Question, Severity, quoted
from integrity.checks.numbering import rowid
from integrity.checks.sequences import full_to
from integrity.checks.telling import Telling
from opsconsole.engines.structure import Relation
from opsconsole.review.lexing import Dialect, Kind, tokens
from opsconsole.templatetags.console import count, size

DATABASE_BYTES = 10 * 1000**3  # of a paid plan
ROW_BYTES = 2_000_000  # of a row, and of one text or BLOB
STATEMENT_BYTES = 100_000
COLUMNS = 100
PATTERN_BYTES = 50  # of LIKE and GLOB


class D1Size(Telling):
    name: ClassVar[str] = "d1_size"
    label: ClassVar[str] = "Size of the database at D1"
    severity: ClassVar[Severity] = Severity.CRITICAL
    category: ClassVar[str] = CAPACITY
    engines: ClassVar[frozenset[str]] = frozenset({"sqlite"})

    def __init__(self, *, most: int = DATABASE_BYTES) -> None:
        self.most = most

    def look(self, moment: Moment) -> Iterator[Outcome]:
        if not moment.d1:
            return
        pages, page = (moment.inquiry.ask(f"PRAGMA {name}")[0][0] for name in ("page_count", "page_size"))
        percent = 100 * pages * page / self.most
        severity = full_to(percent)
        words = f"The database takes {size(pages * page)}, {int(percent)} % of the {size(self.most)} that D1 gives it"
        if severity is None:
            yield self.held("database", f"{words}.")
            return
        yield self.found(
            "database",
            f"{words}.",
            severity=severity,
            why="When it is full, every write fails. On the free plan that is so at 500 MB already.",
            next_step="Delete what has expired, move old rows elsewhere, or spread the data over several databases.",
        )


class D1Schema(Telling):
    """Tables that are too wide, and definitions that are too long to be run there again."""

    name: ClassVar[str] = "d1_schema"
    label: ClassVar[str] = "Schema beyond D1's limits"
    severity: ClassVar[Severity] = Severity.CRITICAL
    category: ClassVar[str] = CAPACITY
    engines: ClassVar[frozenset[str]] = frozenset({"sqlite"})

    def look(self, moment: Moment) -> Iterator[Outcome]:
        if not moment.d1:
            return
        for table, relation in moment.structure.relations.items():
            yield self._width(table, len(relation.fields))
        asked = "SELECT type, name, sql FROM sqlite_schema WHERE sql <> '' ORDER BY 1, 2"
        for kind, name, text in moment.inquiry.ask(asked):
            yield self._length(kind, name, len(text.encode()))
            yield from self._patterns(kind, name, text)
        for name in self._virtual(moment):
            yield self.found(
                f"virtual table {name}",
                f"{name} is a virtual table, which D1 does not export.",
                severity=Severity.INFO,
                table=name,
                why="wrangler d1 export refuses the whole database while there is one.",
                next_step="Export the other tables by name, or drop it before an export and make it again afterwards.",
            )

    def _width(self, table: str, columns: int) -> Outcome:
        if columns <= COLUMNS:
            return self.held(f"columns of {table}", f"{table} has {columns} columns; D1 allows {COLUMNS}.")
        return self.found(
            f"columns of {table}",
            f"{table} has {columns} columns, and D1 allows {COLUMNS}.",
            count=columns,
            of=COLUMNS,
            table=table,
            why="D1 refuses to make such a table, so that no backup and no migration can be run there.",
            next_step="Move some of the columns into a second table, or into one column of JSON.",
        )

    def _length(self, kind: str, name: str, length: int) -> Outcome:
        if length <= STATEMENT_BYTES:
            return self.held(f"{kind} {name}", f"The definition of the {kind} {name} is short enough for D1.")
        return self.found(
            f"{kind} {name}",
            f"The definition of the {kind} {name} has {count(length)} bytes; a statement at D1 has at most "
            f"{count(STATEMENT_BYTES)}.",
            why="D1 refuses the statement, so that no export of this database can be loaded there.",
            next_step=f"Shorten the definition of the {kind} in a migration.",
        )

    def _patterns(self, kind: str, name: str, text: str) -> Iterator[Outcome]:
        """What LIKE and GLOB compare with, where it is written out."""
        lengths = [
            len(pattern.text[1:-1].replace("''", "'").encode())
            for word, pattern in pairwise(tokens(text, Dialect.D1))
            if word.kind is Kind.WORD and word.word in ("LIKE", "GLOB") and pattern.kind is Kind.STRING
        ]
        if not lengths:
            return
        subject, longest = f"patterns of {kind} {name}", max(lengths)
        if longest <= PATTERN_BYTES:
            yield self.held(subject, f"The patterns in the {kind} {name} are short enough for D1.")
            return
        yield self.found(
            subject,
            f"A LIKE or GLOB in the {kind} {name} has a pattern of {longest} bytes; at D1 it has at most "
            f"{PATTERN_BYTES}.",
            severity=Severity.WARNING,
            why=f"D1 makes the {kind}, and then refuses every statement that comes to the pattern.",
            next_step="Compare by other means, such as instr() or substr(), in a migration.",
        )

    def _virtual(self, moment: Moment) -> list[str]:
        asked = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual' ORDER BY 1"
        return [row[0] for row in moment.inquiry.ask(asked)]


class D1Rows(Telling):
    """Asks about rows, in the same pass as everything else."""

    name: ClassVar[str] = "d1_row_size"
    label: ClassVar[str] = "Rows beyond D1's limit"
    severity: ClassVar[Severity] = Severity.CRITICAL
    category: ClassVar[str] = CAPACITY
    engines: ClassVar[frozenset[str]] = frozenset({"sqlite"})

    def __init__(self, *, most: int = ROW_BYTES) -> None:
        self.most = most

    def questions(self, moment: Moment) -> Iterator[Question]:
        if not moment.d1:
            return
        for table, relation in moment.structure.relations.items():
            number = rowid(relation)
            columns = [field.name for field in relation.fields if not field.generated and field.name not in number]
            if columns:
                yield self._question(table, relation, columns)

    def _question(self, table: str, relation: Relation, columns: list[str]) -> Question:
        bytes_ = " + ".join(f"coalesce(length(CAST(t.{quoted(name)} AS BLOB)), 0)" for name in columns)

        def told(answer: Answer) -> Outcome:
            if not answer.count:
                return self.held(table, f"No row of {table} has more than {size(self.most)}, which D1 allows.")
            return self.counted(
                table,
                f"{count(answer.count)} of {count(answer.of)} rows of {table} have more than {size(self.most)}.",
                answer,
                table=table,
                why="D1 refuses such a row, so that a backup that holds it cannot be restored there.",
                next_step="Move large texts and files into R2, and keep their keys in the row.",
            )

        key = next((key.columns for key in relation.keys if key.primary), ())
        return Question(
            check=self.name,
            subject=table,
            title=f"rows of {table} beyond D1's limit",
            severity=self.severity,
            category=self.category,
            condition=Condition(table=table, where=f"{bytes_} > {self.most}"),
            told=told,
            show=key or (relation.fields[0].name,),
        )
