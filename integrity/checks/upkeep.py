"""Tables that need VACUUM or ANALYZE, that are written much, and files with much unused room."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import ClassVar

from integrity.checks.base import PERFORMANCE, STORAGE, Moment, Outcome, Proposal, Severity, named
from integrity.checks.locks import BYTES
from integrity.checks.standbys import is_standby, uncounted
from integrity.checks.telling import Telling
from integrity.checks.wording import listed, many
from opsconsole.templatetags.console import count, size

# The times of the last ANALYZE are forgotten when the server's counters are reset; what it found is not.
_STATISTICS = f"""
SELECT s.schemaname || '.' || s.relname, s.n_live_tup, s.n_dead_tup, s.n_tup_ins + s.n_tup_upd + s.n_tup_del,
  s.n_mod_since_analyze, {BYTES},
  s.last_analyze IS NULL AND s.last_autoanalyze IS NULL AND CASE
    WHEN has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid) THEN NOT EXISTS (
      SELECT FROM pg_stats p WHERE p.schemaname = s.schemaname AND p.tablename = s.relname)
    ELSE c.reltuples < 0 END,
  coalesce('autovacuum_enabled=false' = ANY (c.reloptions) OR 'autovacuum_enabled=off' = ANY (c.reloptions), false)
FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid WHERE c.relkind = 'r' ORDER BY 1
"""
_UNCOUNTED = """
SELECT DISTINCT t.value FROM json_each(?) AS t JOIN pragma_index_list(t.value) AS l
WHERE t.value NOT IN ({known}) ORDER BY 1
"""


class NeedsVacuum(Telling):
    """`rows` and `share` are how many dead rows, and which part of all, are too many."""

    name: ClassVar[str] = "needs_vacuum"
    label: ClassVar[str] = "Tables in need of vacuum"
    severity: ClassVar[Severity] = Severity.WARNING
    category: ClassVar[str] = STORAGE
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql"})

    def __init__(self, *, rows: int = 10_000, share: float = 0.2) -> None:
        self.rows, self.share = rows, share

    def look(self, moment: Moment) -> Iterator[Outcome]:
        if is_standby(moment):
            yield uncounted(self, "Dead rows")
            return
        for table, live, dead, *_, is_off in _of_tables(moment):
            if dead < self.rows or dead < self.share * (live + dead):
                yield self.held(table, f"{table} has few dead rows.")
                continue
            of = live + dead
            yield self.found(
                table,
                f"{count(dead)} of {count(of)} rows of {table} are dead ({100 * dead // of} %).",
                count=dead,
                of=of,
                table=table,
                why="Dead rows take room, and everything that reads the table reads them, too."
                + (" Autovacuum is switched off for this table." if is_off else ""),
                next_step="Vacuum it. If it comes back soon, look for long transactions, which keep dead rows, and "
                + ("switch autovacuum on." if is_off else "let autovacuum come earlier for this table."),
                proposals=(
                    Proposal(
                        action="vacuum",
                        words=f"Vacuum and analyze {table}",
                        table=table,
                        statement=f"VACUUM (ANALYZE) {named(moment.structure, table)}",
                    ),
                ),
            )


class NeedsAnalyze(Telling):
    """`least` is the size in bytes from which on statistics matter (rows of SQLite's)."""

    name: ClassVar[str] = "needs_analyze"
    label: ClassVar[str] = "Tables in need of analyze"
    severity: ClassVar[Severity] = Severity.WARNING
    category: ClassVar[str] = PERFORMANCE

    def __init__(self, *, least: int = 1 << 20) -> None:
        self.least = least

    def look(self, moment: Moment) -> Iterator[Outcome]:
        yield from self._on_sqlite(moment) if moment.vendor == "sqlite" else self._on_postgresql(moment)

    def _on_postgresql(self, moment: Moment) -> Iterator[Outcome]:
        if is_standby(moment):
            yield uncounted(self, "The age of statistics")
            return
        for table, live, _, _, changed, bytes_, never, _ in _of_tables(moment):
            stale = changed > max(live, 1) / 2
            if bytes_ < self.least or not (never or stale):
                yield self.held(table, f"The statistics of {table} are of use.")
                continue
            yield self.found(
                table,
                f"{table} ({size(bytes_)}) was never analyzed."
                if never
                else f"{count(changed)} rows of {table} were changed since it was analyzed; it has {count(live)}.",
                table=table,
                why="The server guesses how to answer queries, and may read whole tables where an index would do.",
                next_step="Analyze it. It takes a sample and keeps nobody out.",
                proposals=(
                    Proposal(
                        action="analyze",
                        words=f"Analyze {table}",
                        table=table,
                        statement=f"ANALYZE {named(moment.structure, table)}",
                    ),
                ),
            )

    def _on_sqlite(self, moment: Moment) -> Iterator[Outcome]:
        has = moment.inquiry.ask("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'")
        known = "SELECT tbl FROM sqlite_stat1" if has else "SELECT NULL WHERE false"
        asked = _UNCOUNTED.format(known=known)
        tables = [row[0] for row in moment.inquiry.ask(asked, [json.dumps(list(moment.structure.relations))])]
        # ANALYZE writes nothing of an empty table
        found = [t for t in tables if moment.inquiry.ask(f"SELECT 1 FROM {named(moment.structure, t)} LIMIT 1")]
        pages = moment.inquiry.ask("PRAGMA page_count")[0][0] * moment.inquiry.ask("PRAGMA page_size")[0][0]
        if not found or pages < self.least:
            yield self.held(
                "statistics", "SQLite has statistics of all tables with indexes, or does not need them yet."
            )
            return
        yield self.found(
            "statistics",
            f"{many(len(found), 'table')} with indexes {'was' if len(found) == 1 else 'were'} never analyzed: "
            f"{listed(found)}.",
            severity=Severity.INFO,
            count=len(found),
            of=len(moment.structure.relations),
            why="SQLite guesses which of several indexes is the better one.",
            next_step="Run ANALYZE now and then, or PRAGMA optimize when a program closes the database.",
            proposals=(Proposal(action="analyze", words="Analyze the database", statement="ANALYZE"),),
        )


class MuchWritten(Telling):
    """Tables of more than `rows` writes since the server began to count; of AV-Daily's `Performance`."""

    name: ClassVar[str] = "table_churn"
    label: ClassVar[str] = "Tables that are written much"
    severity: ClassVar[Severity] = Severity.INFO
    category: ClassVar[str] = PERFORMANCE
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql"})

    def __init__(self, *, rows: int = 10_000) -> None:
        self.rows = rows

    def look(self, moment: Moment) -> Iterator[Outcome]:
        if is_standby(moment):
            yield uncounted(self, "How much is written")
            return
        for table, _, _, written, *_ in _of_tables(moment):
            if written <= self.rows:
                yield self.held(table, f"{table} is not written much.")
                continue
            yield self.found(
                table,
                f"{count(written)} rows of {table} were written since the server began to count.",
                count=written,
                table=table,
                why="What is written much needs vacuum and analyze more often, and pays for each of its indexes.",
                next_step="Look whether autovacuum keeps up, and whether all of its indexes are needed.",
            )


class UnusedRoom(Telling):
    """SQLite keeps the pages of deleted rows. `least` bytes, and `share` of the file, are much."""

    name: ClassVar[str] = "unused_room"
    label: ClassVar[str] = "Unused room in the file"
    severity: ClassVar[Severity] = Severity.INFO
    category: ClassVar[str] = STORAGE
    engines: ClassVar[frozenset[str]] = frozenset({"sqlite"})

    def __init__(self, *, least: int = 1 << 20, share: float = 0.25) -> None:
        self.least, self.share = least, share

    def look(self, moment: Moment) -> Iterator[Outcome]:
        free, pages, page = (
            moment.inquiry.ask(f"PRAGMA {name}")[0][0] for name in ("freelist_count", "page_count", "page_size")
        )
        if free * page < self.least or free < self.share * pages:
            yield self.held("file", "The file has little unused room.")
            return
        way = (Proposal(action="vacuum", words="Vacuum the database", statement="VACUUM"),)
        yield self.found(
            "file",
            f"{size(free * page)} of {size(pages * page)} of the file are unused ({100 * free // pages} %).",
            why="The room of deleted rows stays in the file: it is backed up, copied and counted with the rest.",
            next_step="D1 uses it for new rows; it cannot be given back there."
            if moment.d1
            else "Vacuum it. That writes the file anew, and nobody can write meanwhile.",
            proposals=() if moment.d1 else way,
        )


def _of_tables(moment: Moment) -> list[tuple]:
    """(table, live rows, dead rows, rows written, changed since analyze, bytes, never analyzed, autovacuum off)."""
    return [row for row in moment.inquiry.ask(_STATISTICS) if row[0] in moment.structure.relations]
