"""Rows that refer, along a foreign key, to a row that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from integrity.checks.base import (
    ORPHANS,
    Answer,
    Condition,
    Found,
    Moment,
    Outcome,
    Proposal,
    Question,
    Severity,
)
from integrity.checks.locks import locked, waits
from integrity.checks.references import Reference, unmet
from integrity.checks.telling import Telling
from integrity.checks.unseen import hidden, hidden_rows
from integrity.checks.wording import rows, the_rows, verb
from opsconsole.engines.structure import ForeignKey, Relation

LOST = "A row that refers to nothing is lost to every join, and breaks the code that follows the reference."
_KEYS = """
SELECT n.nspname || '.' || c.relname, k.conname, k.convalidated,
  coalesce((to_jsonb(k) ->> 'conperiod')::boolean, false),
  c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f'
"""


@dataclass(frozen=True, kw_only=True)
class _Declared:
    """A foreign key with what its vendor says of it.

    `period` is of one that compares ranges of time, `inherited` of one of a table whose rows others hold, too.
    """

    key: ForeignKey
    reference: Reference
    validated: bool = True
    period: bool = False
    inherited: bool = False


class Orphans(Telling):
    name: ClassVar[str] = "orphans"
    label: ClassVar[str] = "Rows without the row that a foreign key leads to"
    severity: ClassVar[Severity] = Severity.CRITICAL
    category: ClassVar[str] = ORPHANS

    def questions(self, moment: Moment) -> Iterator[Question]:
        kept = {*locked(moment)}
        for declared in _declared(moment):
            reference = declared.reference
            if declared.period or kept & reference.tables or hidden(moment, (reference.table, reference.parent)):
                continue
            yield self._question(moment, declared)

    def look(self, moment: Moment) -> Iterator[Outcome]:
        kept = {*locked(moment)}
        for declared in _declared(moment):
            title = f"Orphans of {declared.reference.subject}"
            if kept & declared.reference.tables:
                yield waits(self, title, severity=self.severity)
            elif table := hidden(moment, (declared.reference.table, declared.reference.parent)):
                yield hidden_rows(self, title, table)
            elif declared.period:
                yield self.unseen(
                    title,
                    "it is a foreign key over a period of time, which this console does not compare",
                    f"ALTER TABLE {declared.key.table} VALIDATE CONSTRAINT {declared.key.name} looks at its rows.",
                )

    def _question(self, moment: Moment, declared: _Declared) -> Question:
        reference = declared.reference
        where = unmet(moment, reference)

        def told(answer: Answer) -> Outcome:
            if not answer.count:
                sentence = f"Every {reference.by} of {reference.table} leads to a row of {reference.parent}."
                return self.held(reference.subject, sentence)
            return self._found(moment, declared, where, answer)

        return Question(
            check=self.name,
            subject=reference.subject,
            title=f"Orphans of {reference.subject}",
            severity=self.severity,
            category=self.category,
            condition=Condition(table=reference.table, where=where, by=reference.columns),
            told=told,
            show=reference.columns,
        )

    def _found(self, moment: Moment, declared: _Declared, where: str, answer: Answer) -> Found:
        reference = declared.reference
        return self.counted(
            reference.subject,
            lost(reference, answer),
            answer,
            table=reference.table,
            why=f"{LOST} {_unguarded(moment, declared)}",
            next_step="Look at the rows, then ask for one of the fixes, or bring the missing rows back from a backup.",
            proposals=ways_out(
                moment.structure.relations[reference.table], declared.key.on_delete, reference, where, answer
            ),
        )


def lost(reference: Reference, answer: Answer) -> str:
    """`3 rows of accounts refer by user_id to rows of users that do not exist.`"""
    count = answer.count
    parents = verb(
        count, f"rows of {reference.parent} that do not exist", f"a row of {reference.parent} that does not exist"
    )
    children = rows(count, reference.table, answer.margin)
    return f"{children} {verb(count, 'refer', 'refers')} by {reference.by} to {parents}."


def ways_out(
    relation: Relation, on_delete: str, reference: Reference, where: str, answer: Answer
) -> tuple[Proposal, ...]:
    """Deleting the rows, or clearing the reference where it may be NULL; first what the key does by itself."""
    delete = Proposal(
        action="delete_rows",
        words=f"Delete {the_rows(answer.count, answer.margin)} of {reference.table}",
        table=reference.table,
        where=where,
    )
    key = next((key.columns for key in relation.keys if key.primary), ())
    free = [column for column in reference.columns if relation.field(column).nullable and column not in key]
    if not free or (reference.full and len(reference.columns) > 1):
        return (delete,)
    clear = Proposal(
        action="set_null",
        words=f"Set {free[0]} to NULL in {the_rows(answer.count, answer.margin)} of {reference.table}",
        table=reference.table,
        where=where,
        column=free[0],
    )
    return (clear, delete) if on_delete == "SET NULL" else (delete, clear)


def _unguarded(moment: Moment, declared: _Declared) -> str:
    """How such rows came to be there although the key forbids them."""
    if moment.vendor == "sqlite":
        return "SQLite enforces a foreign key only in sessions that say PRAGMA foreign_keys=ON."
    if not declared.validated:
        return f"The foreign key {declared.key.name} is NOT VALID: PostgreSQL never looked at the rows it found there."
    if declared.inherited:
        return f"PostgreSQL holds rows of tables that inherit from {declared.key.table} to none of its foreign keys."
    return f"The foreign key {declared.key.name} was switched off while the rows were written or their parents deleted."


def _declared(moment: Moment) -> list[_Declared]:
    """Every foreign key that can be followed, each once; the others are told by `dangling_references`."""
    told: dict[tuple[str, str], tuple[bool, bool, bool]] = {}
    if moment.vendor == "postgresql":
        told = {(table, name): (*facts,) for table, name, *facts in moment.inquiry.ask(_KEYS)}
    found: dict[str, _Declared] = {}
    for key in moment.structure.foreign_keys:
        if not followable(moment, key):
            continue
        valid, period, inherited = told.get((key.table, key.name), (True, False, False))
        reference = Reference(
            table=key.table,
            columns=key.columns,
            parent=key.parent,
            parent_columns=key.parent_columns,
            full=key.full,
            collations=key.collations,
        )
        declared = _Declared(key=key, reference=reference, validated=valid, period=period, inherited=inherited)
        found.setdefault(reference.subject, declared)
    return list(found.values())


def reference_of(moment: Moment, table: str, key: str) -> Reference | None:
    """What `Orphans` asks about a foreign key, by its table and name; None where it cannot compare it."""
    found = (each for each in _declared(moment) if (each.key.table, each.key.name) == (table, key) and not each.period)
    return next((each.reference for each in found), None)


def followable(moment: Moment, key: ForeignKey) -> bool:
    """Whether the parent has the columns that the key names (in SQLite it need not)."""
    fields = {field.name for field in moment.structure.relations[key.parent].fields}
    return len(key.parent_columns) == len(key.columns) and fields.issuperset(key.parent_columns)
