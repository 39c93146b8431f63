"""Sequences that are behind their column, and sequences that come to their end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from integrity.checks.base import SCHEMA, Moment, Outcome, Proposal, Severity, named, quoted
from integrity.checks.numbering import (
    SAFE_IN_JAVASCRIPT,
    TOPS,
    Sequence,
    counters,
    largest,
    sequences,
    unreadable,
)
from integrity.checks.telling import Telling
from opsconsole.engines.inquiry import AskFailed
from opsconsole.engines.structure import Relation

WARNS_AT, CRITICAL_AT = 80, 95  # percent
_RIGHT = "Grant SELECT on it to the console's role."


def full_to(percent: float) -> Severity | None:
    """How bad it is that so much of what there is has been used."""
    if percent >= CRITICAL_AT:
        return Severity.CRITICAL
    return Severity.WARNING if percent >= WARNS_AT else None


class SequenceBehind(Telling):
    """The next values were given by somebody else already, as after an import with explicit numbers."""

    name: ClassVar[str] = "sequence_behind"
    label: ClassVar[str] = "Sequences behind their column"
    severity: ClassVar[Severity] = Severity.CRITICAL
    category: ClassVar[str] = SCHEMA

    def look(self, moment: Moment) -> Iterator[Outcome]:
        if moment.vendor == "sqlite":
            yield from self._counters(moment)
            return
        for sequence in sequences(moment):
            for table, column in sequence.columns:
                yield self._guarded(moment, sequence, moment.structure.relations[table], column)

    def _guarded(self, moment: Moment, sequence: Sequence, relation: Relation, column: str) -> Outcome:
        subject = f"{relation.full_name}.{column}"
        if not sequence.readable:
            return self.unseen(subject, f"the console's role may not read the sequence {sequence.name}", _RIGHT)
        if because := unreadable(relation):
            return self.unseen(subject, because, _RIGHT)
        try:
            return self._judged(moment, sequence, relation, column)
        except AskFailed as error:
            return self.unseen(subject, error.why, "Look for locks on the table, then check again.")

    def _judged(self, moment: Moment, sequence: Sequence, relation: Relation, column: str) -> Outcome:
        table, step, id_ = relation.full_name, sequence.increment, quoted(column)
        following, top = sequence.following(moment), largest(moment, table, column)
        if top is not None and top >= following and step > 1:  # the values in between are somebody else's
            ours = f"{id_} >= {following} AND ({id_}::numeric - {following}) % {step} = 0"
            top = largest(moment, table, column, ours)
        if top is None or top < following:
            return self.held(f"{table}.{column}", f"The sequence {sequence.name} is ahead of {table}.{column}.")
        unique = any(key.columns == (column,) for key in relation.keys)
        then = "INSERTs fail as duplicates" if unique else "the same numbers are given twice, for nothing is unique"
        return self.found(
            f"{table}.{column}",
            f"The sequence {sequence.name} gives {following} next, and {table} has rows up to {column} {top}.",
            severity=Severity.CRITICAL if unique else Severity.WARNING,
            table=table,
            query=f"SELECT max({id_}) FROM {named(moment.structure, table)}",
            why=f"When the sequence comes to a number that is taken, {then}.",
            next_step="Advance the sequence beyond the largest number. Rows were probably put in with numbers of "
            "their own, by an import or a restore, and the sequence was not told.",
            proposals=(
                Proposal(
                    action="advance_sequence",
                    words=f"Advance {sequence.name} beyond {column} {top}",
                    table=table,
                    column=column,
                    statement=_advance(moment, sequence, following, table, column),
                ),
            ),
        )

    def _counters(self, moment: Moment) -> Iterator[Outcome]:
        """SQLite takes the larger of both and never collides; but then it gives numbers of deleted rows again."""
        for table, column, remembered, is_counted in counters(moment):
            if not is_counted:
                continue
            top = largest(moment, table, column)
            subject = f"{table}.{column}"
            if top is None or (remembered is not None and remembered >= top):
                yield self.held(subject, f"sqlite_sequence knows every number that {subject} had.")
                continue
            yield self.found(
                subject,
                f"sqlite_sequence remembers {remembered or 0} as the last number of {table}, which has rows up to "
                f"{column} {top}.",
                severity=Severity.WARNING,
                table=table,
                query=f"SELECT max({quoted(column)}) FROM {quoted(table)}",
                why="AUTOINCREMENT promises that no number is given twice. When the last rows are deleted, their "
                "numbers are given again, and what still refers to them means other rows.",
                next_step="Set the counter to the largest number. It was probably lost when rows were loaded.",
                proposals=(
                    Proposal(
                        action="advance_sequence",
                        words=f"Set the counter of {table} to {top}",
                        table=table,
                        column=column,
                        statement=_remember(table, column, remembered),
                    ),
                ),
            )


def _advance(moment: Moment, sequence: Sequence, following: int, table: str, column: str) -> str:
    """The statement never sets a sequence back, whatever was written or deleted meanwhile."""
    name = "'" + sequence.sql.replace("'", "''") + "'"
    top = f"(SELECT max({quoted(column)}) FROM {named(moment.structure, table)})"
    if sequence.increment == 1:
        return f"SELECT setval({name}, greatest({top}, (SELECT last_value FROM {sequence.sql})))"
    steps = f"greatest(({top} - {following}) / {sequence.increment} + 1, 0)"
    return f"SELECT setval({name}, {following} + {steps} * {sequence.increment}, false)"


def _remember(table: str, column: str, remembered: int | None) -> str:
    top, name = f"(SELECT max({quoted(column)}) FROM {quoted(table)})", "'" + table.replace("'", "''") + "'"
    if remembered is None:
        return f"INSERT INTO sqlite_sequence (name, seq) SELECT {name}, {top}"
    return f"UPDATE sqlite_sequence SET seq = max(seq, {top}) WHERE name = {name}"


class SequenceNearEnd(Telling):
    """A sequence without numbers left ends every INSERT that asks it for one."""

    name: ClassVar[str] = "sequence_near_end"
    label: ClassVar[str] = "Sequences near their end"
    severity: ClassVar[Severity] = Severity.CRITICAL
    category: ClassVar[str] = SCHEMA

    def look(self, moment: Moment) -> Iterator[Outcome]:
        yield from self._counters(moment) if moment.vendor == "sqlite" else self._sequences(moment)

    def _sequences(self, moment: Moment) -> Iterator[Outcome]:
        for sequence in sequences(moment):
            if sequence.cycles:
                yield self.held(sequence.name, f"The sequence {sequence.name} begins again at its end.")
                continue
            if not sequence.readable:
                yield self.unseen(sequence.name, "the console's role may not read it", _RIGHT)
                continue
            try:
                following = sequence.following(moment)
            except AskFailed as error:
                yield self.unseen(sequence.name, error.why, "Look for locks on it, then check again.")
                continue
            fields = [
                (f"{table}.{column}", moment.structure.relations[table].field(column).bare)
                for table, column in sequence.columns
            ]
            narrowest = min(fields, key=lambda each: TOPS.get(each[1], sequence.most), default=("", ""))
            most = min(sequence.most, TOPS.get(narrowest[1], sequence.most))
            yield self._judged(sequence.name, following - sequence.increment, sequence.least, most, narrowest)

    def _judged(self, name: str, last: int, least: int, most: int, fills: tuple[str, str]) -> Outcome:
        percent = 100 * (last - least + 1) / max(most - least + 1, 1)
        column, kind = fills
        severity = full_to(percent)
        if severity is None:
            return self.held(name, f"The sequence {name} has numbers left: {int(percent)} % are used.")
        widen = f"Change {column} from {kind} to bigint" if kind in ("smallint", "integer") else "Raise its MAXVALUE"
        table = column.rpartition(".")[0]
        return self.found(
            name,
            f"The sequence {name} has used {int(percent)} % of its numbers: it stands at {last} of {most}.",
            severity=severity,
            table=table,
            why="When none is left, every INSERT that needs a number fails."
            + (f" {column} is {kind}, which holds nothing larger than {TOPS[kind]}." if kind in TOPS else ""),
            next_step=f"{widen} in a migration, with all columns that refer to it, while there is time.",
        )

    def _counters(self, moment: Moment) -> Iterator[Outcome]:
        most = SAFE_IN_JAVASCRIPT if moment.d1 else TOPS["bigint"]
        words = "the numbers that D1's clients can tell apart" if moment.d1 else "its numbers"
        for table, column, remembered, is_counted in counters(moment):
            subject = f"{table}.{column}"
            last = max(remembered or 0, largest(moment, table, column) or 0)
            percent = 100 * last / most
            severity = full_to(percent)
            if severity is None or not (is_counted or moment.d1):
                yield self.held(subject, f"{subject} has numbers left: {int(percent)} % are used.")
                continue
            yield self.found(
                subject,
                f"{subject} has used {int(percent)} % of {words}: it stands at {last} of {most}.",
                severity=severity,
                table=table,
                why="JavaScript rounds larger numbers, so that a client names a row that it did not mean."
                if moment.d1
                else 'After the last one, INSERTs fail with "database or disk is full".',
                next_step="Look for the row with that number; somebody probably set it by hand. "
                + ("Keep large numbers as TEXT." if moment.d1 else "Give it a smaller one, and lower sqlite_sequence."),
            )
