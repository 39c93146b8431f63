"""What is known while the statements of a text are read in order: the target, what the text made, what was found."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from opsconsole.review.findings import Finding, Severity
from opsconsole.review.lexing import Dialect, Token, tokens
from opsconsole.review.live import Live
from opsconsole.review.reading import Reader
from opsconsole.review.rules import RULES
from opsconsole.review.second_reading import SecondReading
from opsconsole.review.splitting import Piece


@dataclass(frozen=True)
class Event:
    """One thing that a statement does to a table: made, copied (from `other`), written, dropped, renamed (to it)."""

    kind: str
    table: str
    statement: int
    line: int
    other: str = ""
    columns: tuple[str, ...] = ()  # of a table that is made
    copy: Reader | None = None  # the whole INSERT ... SELECT, or the query after AS
    own: bool = False  # whether the table was made by the text
    own_after: bool = True  # of a rename: whether nothing had the new name before
    unchecked: bool = False  # foreign keys are surely off


@dataclass
class Context:
    """One review while it is made. `transaction` says whether the tool runs the text in one; None: not known."""

    source: str
    dialect: Dialect
    live: Live
    second: SecondReading
    transaction: bool | None = None
    piece: Piece = field(init=False)
    findings: list[Finding] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    own: set[str] = field(default_factory=set)  # tables that the text made, and that were not there before
    ever_own: set[str] = field(default_factory=set)  # the same, and they stay here when they are gone
    unsure: set[str] = field(default_factory=set)  # of those, the ones that were made with IF NOT EXISTS
    moved: bool = False  # whether something that was there has another name, or is in another schema
    own_columns: set[tuple[str, str]] = field(default_factory=set)
    triggers: dict[str, set[str]] = field(default_factory=dict)  # that the text makes: table and events
    functions: set[str] = field(default_factory=set)  # that the text defines
    referring: dict[str, set[str]] = field(default_factory=dict)  # by bare name, tables that the text has refer to it
    begun: bool = False  # by a BEGIN of the text itself
    attached: bool = False
    foreign_keys_off: bool = False

    def add(
        self, rule: str, object: str, reason: str, token: Token | None = None, severity: Severity | None = None
    ) -> None:
        """Note a finding of the statement that is read; `token` is where in it."""
        line = self.line_of(token) if token else self.piece.statement.line
        self.add_at(self.piece.statement.number, line, rule, object, reason, severity)

    def add_at(
        self, statement: int, line: int, rule: str, object: str, reason: str, severity: Severity | None = None
    ) -> None:
        known = RULES[rule]
        if self.dialect.is_sqlite and len(spelled := self.live.full_names(object)) == 1:
            (object,) = spelled
        self.findings.append(
            Finding(
                rule=rule,
                severity=known.severity if severity is None else severity,
                statement=statement,
                line=line,
                object=object,
                reason=reason,
                hint=known.hint,
            )
        )

    def line_of(self, token: Token) -> int:
        return bisect_left(self._newlines, token.start) + 1

    @cached_property
    def _newlines(self) -> list[int]:
        return [match.start() for match in re.finditer("\n", self.source)]

    def event(self, kind: str, table: str, token: Token | None = None, **facts: Any) -> None:
        """Remember what happens to a table, for what only the whole text shows."""
        line = self.line_of(token) if token else self.piece.statement.line
        base = Event(
            kind, table, self.piece.statement.number, line, own=table in self.own, unchecked=self.foreign_keys_off
        )
        self.events.append(replace(base, **facts))

    def made(self, table: str, *, maybe_there: bool) -> None:
        """A table is made; with IF NOT EXISTS something of that name may have been there before."""
        known = self.live.structure is not None and not (maybe_there and self.moved)
        there = bool(self.live.full_names(table)) if known else maybe_there
        if not there:
            self.own.add(table)
            self.ever_own.add(table)
            (self.unsure.add if maybe_there else self.unsure.discard)(table)

    def reaches(self, table: str, other: str, *, referring: bool = False) -> None:
        """Through a table, rows of one that was there before are reached from here on: a part of it, or its children.

        `referring` ones go, or lose a value, with its rows.
        """
        if other in self.own:
            return
        self.own.discard(table)
        self.ever_own.discard(table)
        if referring:
            self.referring.setdefault(table.rpartition(".")[2], set()).add(other)

    def is_own(self, table: str) -> bool:
        """Whether rows of that name are surely of the text's own making: no view, no table under another name."""
        return table in self.own and table not in self.unsure

    @cached_property
    def replacing(self) -> set[str]:
        """Tables with a constraint ON CONFLICT REPLACE, which deletes rows without being asked to (SQLite)."""
        found = set()
        for text in self.live.ddl or ():
            reader = Reader(list(tokens(text, self.dialect)), self.dialect)
            if "CONFLICT" in reader.words and "REPLACE" in reader.words and reader.take("CREATE", "TABLE"):
                found.add(reader.name())
        return found

    def made_column(self, table: str, column: str, *, maybe_there: bool) -> None:
        """A column is added; with IF NOT EXISTS it may have been there before."""
        relation = self.live.relation(table)
        there = maybe_there if relation is None else any(field.name == column for field in relation.fields)
        if not there:
            self.own_columns.add((table, column))

    def forget_columns(self, *names: str) -> None:
        """These names stand for other tables, or other columns (`table.column`), from here on."""
        self.own_columns = {
            (table, column)
            for table, column in self.own_columns
            if table not in names and f"{table}.{column}" not in names
        }

    def renamed(self, table: str, new: str) -> bool:
        """A table of the text's own stays its own, but not under a name that was there before. Gives back whether."""
        self.forget_columns(table, new)
        self.triggers[new] = self.triggers.pop(table, set())
        if table not in self.own:
            self.moved = True
            return False
        self.own.discard(table)
        self.made(new, maybe_there=any(event.table == new and not event.own for event in self.events))
        return new in self.own

    def lock(self, rule: str, table: str, reason: str, token: Token | None = None) -> None:
        """Note a lock on a table: nothing for a table of the text's own, lighter for one that is known to be small."""
        if table in self.own:
            return
        small = self.live.is_small(table)
        more = (
            f" It is small: {self.size(table)}." if small else f" It has {self.size(table)}." * bool(self.size(table))
        )
        self.add(rule, table, reason + more, token, Severity.WARNING if small else None)

    def size(self, table: str) -> str:
        """Rows and bytes in words, "" when neither is known."""
        rows, size = self.live.rows_of(table), self.live.bytes_of(table)
        return ", ".join(part for part in (rows_in_words(rows), bytes_in_words(size)) if part)

    def its_rows(self, table: str) -> str:
        """`and its 18 402 rows`, or `and all its rows` when nobody counted."""
        rows = self.live.rows_of(table)
        return "and all its rows" if rows is None else f"and its {rows_in_words(rows)}"

    def children(self, table: str) -> str:
        """The tables that lose rows or values with this one, with their rows, in words; "" for none."""
        known = [
            f"{key.table} ({', '.join(filter(None, (rows_in_words(self.live.rows_of(key.table)), key.on_delete)))})"
            for key in self.live.emptied_with(table)
            if self.live.rows_of(key.table) != 0
        ]
        return listed([*known, *sorted(self.referring.get(table.rpartition(".")[2], ()))])


def listed(words: Iterable[str]) -> str:
    """`a, b and c`."""
    given = list(words)
    return " and ".join(filter(None, (", ".join(given[:-1]), *given[-1:])))


def number_in_words(number: int) -> str:
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def rows_in_words(rows: int | None) -> str:
    return "" if rows is None else f"{number_in_words(rows)} row{'s' * (rows != 1)}"


def bytes_in_words(size: int | None) -> str:
    if size is None:
        return ""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << shift:
            return f"{number_in_words(size >> shift)} {unit}"
    return f"{size} bytes"
