"""Sequences that are behind their column, and sequences that come to their end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from integrity.checks.base import SCHEMA, Held, Moment, Outcome, Proposal, Severity, named, quoted
from integrity.checks.numbering import (
    SAFE_IN_JAVASCRIPT,
    TOPS,
    Sequence,
    counters,
    furthest,
    largest,
    sequences,
    unreadable,
)
from integrity.checks.standbys import AHEAD, is_standby
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
        margin = AHEAD if is_standby(moment) else ""
        for sequence in sequences(moment):
            for table, column in sequence.columns:
                told = self._guarded(moment, sequence, moment.structure.relations[table], column)
                yield replace(told, margin=margin) if isinstance(told, Held) else told

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
        table, following = relation.full_name, sequence.following(moment)
        unique = any(key.columns == (column,) for key in relation.keys)
        if sequence.cycles and not unique:
            return self.held(f"{table}.{column}", f"The numbers of {sequence.name} are meant to come again.")
        top = _taken(moment, sequence, following, table, column)
        if top is None:
            return self.held(f"{table}.{column}", f"The sequence {sequence.name} is ahead of {table}.{column}.")
        then = "INSERTs fail as duplicates" if unique else "the same numbers are given twice, for nothing is unique"
        beyond = f"beyond {column} {top}"
        way = Proposal(
            action="advance_sequence",
            words=f"Advance {sequence.name} {beyond}",
            table=table,
            column=column,
            statement=_advance(moment, sequence, following, table, column),
        )
        has = f"a row with {column} {top}" if sequence.cycles else f"rows up to {column} {top}"
        return self.found(
            f"{table}.{column}",
            f"The sequence {sequence.name} gives {following} next, and {table} has "
            f"{has if sequence.rises else has.replace('up to', 'down to')}.",
            severity=Severity.CRITICAL if unique else Severity.WARNING,
            table=table,
            query=f"SELECT {_extreme(sequence, column)} FROM {named(moment.structure, table)}",
            why=f"When the sequence comes to a number that is taken, {then}.",
            next_step="It began again at its end: delete the rows of its last round, or give it more numbers."
            if sequence.cycles
            else f"Advance the sequence {beyond}. Rows were probably put in with numbers of their own, by an import or "
            "a restore, and the sequence was not told.",
            proposals=() if sequence.cycles else (way,),
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


def _taken(moment: Moment, sequence: Sequence, following: int, table: str, column: str) -> int | None:
    """The last number in the column that the sequence is still to give; None when there is none. Raises AskFailed.

    Of one that begins again at its end, only the next one counts: numbers of its last round are meant to go in time.
    """
    id_, step = quoted(column), sequence.increment
    if sequence.cycles:
        return furthest(moment, sequence, table, column, f"{id_} = {following}")
    top = furthest(moment, sequence, table, column)
    if top is not None and not sequence.least <= top <= sequence.most:  # numbers of somebody else, beyond its end
        top = furthest(moment, sequence, table, column, _within(sequence, column))
    if top is None or not _reaches(sequence, following, top):
        return None
    if abs(step) > 1:  # the values in between are somebody else's
        side = f"{id_} {'>=' if sequence.rises else '<='} {following}"
        ours = f"{side} AND {_within(sequence, column)} AND ({id_}::numeric - {following}) % {abs(step)} = 0"
        top = furthest(moment, sequence, table, column, ours)
    return top


def _reaches(sequence: Sequence, following: int, number: int) -> bool:
    return following <= number if sequence.rises else following >= number


def _past(sequence: Sequence, kind: str) -> str:
    return f"larger than {TOPS[kind]}" if sequence.rises else f"smaller than {-TOPS[kind] - 1}"


def _within(sequence: Sequence, column: str) -> str:
    return f"{quoted(column)} BETWEEN {sequence.least} AND {sequence.most}"


def _extreme(sequence: Sequence, column: str) -> str:
    return f"{'max' if sequence.rises else 'min'}({quoted(column)})"


def _advance(moment: Moment, sequence: Sequence, following: int, table: str, column: str) -> str:
    """The statement never sets a sequence back, whatever was written or deleted meanwhile."""
    name = "'" + sequence.sql.replace("'", "''") + "'"
    rows = f"{named(moment.structure, table)} WHERE {_within(sequence, column)}"
    top = f"(SELECT {_extreme(sequence, column)} FROM {rows})"
    if abs(sequence.increment) == 1:
        further = "greatest" if sequence.rises else "least"
        return f"SELECT setval({name}, {further}({top}, (SELECT last_value FROM {sequence.sql})))"
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
            if not sequence.readable:
                yield self.unseen(sequence.name, "the console's role may not read it", _RIGHT)
                continue
            try:
                following = sequence.following(moment)
            except AskFailed as error:
                yield self.unseen(sequence.name, error.why, "Look for locks on it, then check again.")
                continue
            kinds = {
                f"{table}.{column}": moment.structure.relations[table].field(column).bare
                for table, column in sequence.columns
            }
            narrowest = min(kinds, key=lambda each: TOPS.get(kinds[each], sequence.most), default="")
            yield self._judged(sequence, following - sequence.increment, narrowest, kinds.get(narrowest, ""))

    def _judged(self, sequence: Sequence, last: int, column: str, kind: str) -> Outcome:
        """`column` is the narrowest of those that it fills, of that kind; both are empty for a sequence of none."""
        name, end = sequence.name, sequence.end([kind])
        if sequence.cycles and end == sequence.end([]):
            return self.held(name, f"The sequence {name} begins again at its end.")
        begin = sequence.least if sequence.rises else sequence.most
        percent = 100 * (abs(last - begin) + 1 if _reaches(sequence, begin, last) else 0) / max(abs(end - begin) + 1, 1)
        severity = full_to(percent)
        if severity is None:
            return self.held(name, f"The sequence {name} has numbers left: {int(percent)} % are used.")
        more = "Raise its MAXVALUE" if sequence.rises else "Lower its MINVALUE"
        widen = f"Change {column} from {kind} to bigint" if kind in ("smallint", "integer") else more
        return self.found(
            name,
            f"The sequence {name} has used {int(percent)} % of its numbers: it stands at {last} of {end}.",
            severity=severity,
            table=column.rpartition(".")[0],
            why="When none is left, every INSERT that needs a number fails."
            + (f" {column} is {kind}, which holds nothing {_past(sequence, kind)}." if kind in TOPS else ""),
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
