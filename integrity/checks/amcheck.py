"""What PostgreSQL's extension amcheck finds wrong in indexes and tables, where the extension is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from integrity.checks.base import (
    STORAGE,
    Found,
    Held,
    Moment,
    Outcome,
    Proposal,
    Sample,
    Severity,
    named,
    quoted,
)
from integrity.checks.telling import Telling
from integrity.checks.wording import NOT_COMPARED
from opsconsole.engines.inquiry import AskFailed

SAMPLE_ROWS = 10
_DAMAGE = frozenset({"XX001", "XX002"})  # data_corrupted, index_corrupted
_EXTENSION = (
    "SELECT n.nspname, to_regprocedure(format('%I.bt_index_check(regclass, boolean)', n.nspname))::oid::bigint,"
    " to_regprocedure(format('%I.verify_heapam(regclass, boolean, boolean, text, bigint, bigint)', n.nspname))"
    "::oid::bigint FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'"
)
_AVAILABLE = "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'"
_ALLOWED = "SELECT has_function_privilege(?::bigint::oid, 'EXECUTE')"
_INDEXES = (
    "SELECT x.oid::bigint, m.nspname, x.relname, n.nspname || '.' || c.relname FROM pg_index i"
    " JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace m ON m.oid = x.relnamespace"
    " JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_am a ON a.oid = x.relam WHERE a.amname = 'btree' AND x.relkind = 'i' AND i.indisvalid AND i.indisready"
    " AND x.relpersistence <> 't' ORDER BY 2, 3"
)


@dataclass(frozen=True, kw_only=True)
class _Extension:
    """Where the extension is, and which of its functions it has (the old ones have none for tables)."""

    schema: str
    index_check: int | None
    table_check: int | None


class PostgresPages(Telling):
    """In a quick look, indexes are not compared with every row of their tables."""

    name: ClassVar[str] = "postgresql_pages"
    label: ClassVar[str] = "Pages of indexes and tables, read by amcheck"
    severity: ClassVar[Severity] = Severity.CRITICAL
    category: ClassVar[str] = STORAGE
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql"})

    def look(self, moment: Moment) -> Iterator[Outcome]:
        found = moment.inquiry.ask(_EXTENSION)
        if not found:
            yield self._absent(moment)
            return
        extension = _Extension(schema=found[0][0], index_check=found[0][1], table_check=found[0][2])
        if _may(moment, extension.index_check):
            yield from self._indexes(moment, extension)
        else:
            yield self._forbidden("Pages of indexes", "bt_index_check")
        if extension.table_check is not None and _may(moment, extension.table_check):
            yield from self._tables(moment, extension)
        else:
            yield self._forbidden("Pages of tables", "verify_heapam")

    def _indexes(self, moment: Moment, extension: _Extension) -> Iterator[Outcome]:
        for number, schema, name, table in moment.inquiry.ask(_INDEXES):
            if table not in moment.structure.relations:
                continue
            index = f"{schema}.{name}"
            call = f"{quoted(extension.schema)}.bt_index_check({number}::regclass, {str(not moment.quick).lower()})"
            try:
                moment.inquiry.ask(f"SELECT {call}")
            except AskFailed as error:
                yield self._failed_index(index, f"{quoted(schema)}.{quoted(name)}", table, call, error)
            else:
                yield self._sound(index, table, quick=moment.quick)

    def _sound(self, index: str, table: str, *, quick: bool) -> Held:
        if quick:
            return self.held(f"index {index}", f"Index {index} is in order.", NOT_COMPARED)
        sentence = f"Index {index} is in order and holds every row of {table}."
        return self.held(f"index {index}", sentence)

    def _failed_index(self, index: str, written: str, table: str, call: str, error: AskFailed) -> Found:
        if error.code not in _DAMAGE:
            return self._not_now(f"Index {index}", error)
        return self.found(
            f"index {index}",
            f"Index {index} of {table} is damaged: {error.why}.",
            table=table,
            query=f"SELECT {call}",
            why="Queries that use the index miss rows or show wrong ones, and a unique index lets doubles in.",
            next_step="Rebuild the index. If it comes again, look at the disk, and at the system's collations if the "
            "index holds texts.",
            proposals=(
                Proposal(
                    action="reindex",
                    words=f"Rebuild index {index}",
                    table=table,
                    statement=f"REINDEX INDEX CONCURRENTLY {written}",
                ),
            ),
        )

    def _tables(self, moment: Moment, extension: _Extension) -> Iterator[Outcome]:
        for table, relation in moment.structure.relations.items():
            if relation.partitioned:
                continue  # it has no pages of its own
            written = named(moment.structure, table).replace("'", "''")
            call = f"{quoted(extension.schema)}.verify_heapam('{written}', false, {str(not moment.quick).lower()})"
            try:
                rows = moment.inquiry.ask(
                    f"SELECT count(*) OVER (), blkno, offnum, attnum, msg FROM {call} LIMIT {SAMPLE_ROWS}"
                )
            except AskFailed as error:
                yield (
                    self._damaged(table, call, error.why, 1)
                    if error.code in _DAMAGE
                    else self._not_now(f"Table {table}", error)
                )
                continue
            if not rows:
                likely = "a quick check reads no values that are stored apart" if moment.quick else ""
                yield self.held(f"table {table}", f"The pages of {table} are sound.", likely)
                continue
            sample = Sample(columns=("block", "item", "column", "message"), rows=tuple(row[1:] for row in rows))
            yield self._damaged(table, call, rows[0][4], rows[0][0], sample)

    def _damaged(self, table: str, call: str, first: str, count: int, sample: Sample | None = None) -> Found:
        return self.found(
            f"table {table}",
            f"{count:,} place{'s' * (count != 1)} in the pages of {table} "
            f"{'is' if count == 1 else 'are'} damaged: {' '.join(first.split())}.",
            count=count,
            table=table,
            sample=sample,
            query=f"SELECT * FROM {call}",
            why="Rows in damaged places are lost or wrong, and vacuum or a backup may stop at them.",
            next_step="Take a copy of the server's files, look at the disk, and restore the newest good backup.",
        )

    def _not_now(self, what: str, error: AskFailed) -> Found:
        step = "Give the check more time (seconds=), or check again when nothing holds a lock on it."
        return self.unseen(what, error.why, step, severity=Severity.WARNING)

    def _absent(self, moment: Moment) -> Found:
        there = moment.inquiry.ask(_AVAILABLE)[0][0]
        first = "" if there else "Install the server's package of additional modules (postgresql-contrib), then "
        return self.unseen(
            "Pages of indexes and tables",
            "the extension amcheck is not installed in this database",
            f"{first}{'let' if first else 'Let'} a superuser run CREATE EXTENSION amcheck here.",
        )

    def _forbidden(self, what: str, function: str) -> Found:
        return self.unseen(
            what,
            f"the console's role may not call amcheck's {function}, or the extension is too old to have it",
            f"GRANT EXECUTE ON FUNCTION {function} to the console's role, or ALTER EXTENSION amcheck UPDATE.",
        )


def _may(moment: Moment, function: int | None) -> bool:
    return function is not None and bool(moment.inquiry.ask(_ALLOWED, (function,))[0][0])
