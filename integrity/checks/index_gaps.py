"""Columns that should have an index and have none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from integrity.checks.base import PERFORMANCE, Moment, Outcome, Proposal, Severity, named, quoted
from integrity.checks.index_catalogue import Index, by_table, indexes
from integrity.checks.locks import BYTES, Unlocked
from integrity.checks.numbering import is_whole
from opsconsole.engines.structure import ForeignKey
from opsconsole.review.lexing import Dialect

LARGE_ROWS = 10_000
LONGEST_NAME = 63  # bytes of a name in PostgreSQL
USUAL = ("user_id", "created_at", "status", "email")  # of AV-Daily's integrity checker
_ESTIMATES = f"""
SELECT n.nspname || '.' || c.relname, CASE WHEN c.relkind = 'p' THEN (
    SELECT coalesce(sum(greatest(p.reltuples, 0)), 0) FROM pg_partition_tree(c.oid) f JOIN pg_class p ON p.oid = f.relid
    WHERE f.isleaf)
  WHEN c.reltuples >= 0 THEN c.reltuples ELSE {BYTES} / 100.0 END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')
"""


class UnindexedReference(Unlocked):
    """A database makes an index for the parent's key, and none for the child's column."""

    name: ClassVar[str] = "foreign_key_without_index"
    label: ClassVar[str] = "Foreign keys without an index"
    severity: ClassVar[Severity] = Severity.WARNING
    category: ClassVar[str] = PERFORMANCE

    def judge(self, moment: Moment) -> Iterator[Outcome]:
        every = indexes(moment)
        found, large = by_table(every), _large(moment)
        for key in moment.structure.foreign_keys:
            if not is_whole(moment.structure.relations[key.table]):
                continue
            subject = f"{key.table} ({', '.join(key.columns)})"
            if any(index.finds(key.columns) for index in found[key.table]):
                yield self.held(subject, f"An index leads from {key.parent} to its rows of {key.table}.")
                continue
            yield self._missing(moment, key, subject, key.table in large, every)

    def _missing(self, moment: Moment, key: ForeignKey, subject: str, large: bool, every: list[Index]) -> Outcome:
        return self.found(
            subject,
            f"No index begins with {' and '.join(key.columns)} of {key.table}, which refers to {key.parent}.",
            severity=Severity.WARNING if large else Severity.INFO,
            table=key.table,
            why=f"To delete a row of {key.parent}, or change its key, the database reads all of {key.table}, and so "
            "does every join that starts at the parent."
            + ("" if large else " The table is small, so that it costs little."),
            next_step="Create the index."
            if _can_create(moment, key.table)
            else "Create the index on each part of the table, then on the whole one, in a migration.",
            proposals=_creating(moment, key.table, key.columns, every),
        )


class UnindexedUsual(Unlocked):
    """Columns that programs usually look rows up by; the check of AV-Daily's `Performance`, on exact names.

    A reference without an index is told once: by UnindexedReference.
    """

    name: ClassVar[str] = "usual_column_without_index"
    label: ClassVar[str] = "Columns that are usually looked up by, in no index"
    severity: ClassVar[Severity] = Severity.INFO
    category: ClassVar[str] = PERFORMANCE

    def judge(self, moment: Moment) -> Iterator[Outcome]:
        every = indexes(moment)
        found = by_table(every)
        dialect = Dialect(moment.vendor)
        references = {(key.table, key.columns) for key in moment.structure.foreign_keys}
        for table, relation in moment.structure.relations.items():
            if not is_whole(relation):
                continue
            named_in = {name for index in found[table] if index.valid for name in index.named_in(dialect)}
            for column in (field.name for field in relation.fields if field.name in USUAL):
                subject = f"{table}.{column}"
                if column in named_in:
                    yield self.held(subject, f"{subject} is in an index.")
                    continue
                if (table, (column,)) in references:
                    continue
                yield self.found(
                    subject,
                    f"{subject} is in no index.",
                    table=table,
                    why="Programs usually look rows up by such a column; without an index each look reads the table.",
                    next_step="Create an index if queries filter or sort by it.",
                    proposals=_creating(moment, table, (column,), every),
                )


def _large(moment: Moment) -> set[str]:
    """Tables of more than LARGE_ROWS rows, by the server's estimate, or as far as one must count to know."""
    if moment.vendor == "postgresql":
        return {name for name, rows in moment.inquiry.ask(_ESTIMATES) if rows > LARGE_ROWS}
    found = set()
    for table in {key.table for key in moment.structure.foreign_keys}:
        some = f"SELECT 1 FROM {named(moment.structure, table)} LIMIT {LARGE_ROWS + 1}"
        if moment.inquiry.ask(f"SELECT count(*) FROM ({some})")[0][0] > LARGE_ROWS:
            found.add(table)
    return found


def _can_create(moment: Moment, table: str) -> bool:
    """On a partitioned table, CREATE INDEX CONCURRENTLY is refused, and without it nobody may write meanwhile."""
    return not moment.structure.relations[table].partitioned


def _creating(moment: Moment, table: str, columns: tuple[str, ...], every: list[Index]) -> tuple[Proposal, ...]:
    if not _can_create(moment, table):
        return ()
    relation = moment.structure.relations[table]
    taken = {index.bare for index in every if not _left_by_this(index, table, columns)}
    name = _free_name("_".join((relation.name, *columns)), taken)
    how = "INDEX CONCURRENTLY" if moment.vendor == "postgresql" else "INDEX"
    over = ", ".join(map(quoted, columns))
    statement = f"CREATE {how} {quoted(name)} ON {named(moment.structure, table)} ({over})"
    words = f"Create an index on {', '.join(columns)} of {table}"
    return (Proposal(action="create_index", words=words, table=table, statement=statement),)


def _left_by_this(index: Index, table: str, columns: tuple[str, ...]) -> bool:
    """Whether it is what a try to create this very index leaves behind, which the next one takes away."""
    plain = not (index.valid or index.unique or index.included or index.predicate) and index.method == "btree"
    return plain and (index.table, index.columns) == (table, columns)


def _free_name(stem: str, taken: set[str]) -> str:
    """`stem_idx`, short enough for PostgreSQL, with a number when there is an index of that name."""
    number = 0
    while True:
        end = f"_idx{number or ''}"
        name = stem.encode()[: LONGEST_NAME - len(end)].decode(errors="ignore") + end
        if name not in taken:
            return name
        number += 1
