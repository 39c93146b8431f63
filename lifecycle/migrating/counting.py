"""How many rows each table has, read in the session that migrates: before, and after, inside the same transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from opsconsole.engines.postgresql.catalogue import USER_TABLES
from opsconsole.engines.scripting import Script
from opsconsole.engines.sqlite.probe import is_hidden, quoted

TOO_MANY = 20_000_000  # rows of one table; more would hold the migration's locks for long
_TABLES = (
    "SELECT n.nspname || '.' || c.relname, format('%I.%I', n.nspname, c.relname), c.oid::bigint,"
    " CASE WHEN NOT row_security_active(c.oid) THEN c.reltuples::bigint END"
    f" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {USER_TABLES}"
    " AND has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') ORDER BY 1"
)
_OURS = (
    "SELECT c.oid::bigint FROM pg_class c LEFT JOIN pg_stat_xact_user_tables s ON s.relid = c.oid"
    " WHERE s.n_tup_del > s.n_tup_ins OR EXISTS (SELECT FROM pg_locks l WHERE l.pid = pg_backend_pid()"
    " AND l.relation = c.oid AND l.granted AND l.database <> 0 AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock',"
    " 'ExclusiveLock', 'AccessExclusiveLock'))"
)
# Whatever changes or removes rows holds a heavier lock on their table until the transaction ends.
_TOUCHED = (
    "SELECT relation::bigint FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted"
    " AND mode NOT IN ('AccessShareLock', 'RowShareLock')"
)
_INVALID = (
    "SELECT n.nspname || '.' || c.relname, t.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE NOT i.indisvalid AND c.relkind = 'i' ORDER BY 1"
)


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Rows by table (`Table.full_name`), None where there are too many to count, or a policy hides some of them.

    `ids` are what a rename leaves.
    `lasting` ids are never given to another table; those of SQLite (root pages) may be.
    """

    rows: Mapping[str, int | None]
    ids: Mapping[str, int] = field(default_factory=dict)
    lasting: bool = False

    def after(self, later: Counted) -> dict[str, tuple[int | None, int | None, bool]]:
        """Per table of either: rows before, rows after, whether it is there under any name."""
        names_now = {number: name for name, number in later.ids.items()}
        found: dict[str, tuple[int | None, int | None, bool]] = {}
        moved = set()
        for name, before in self.rows.items():
            same = names_now.get(self.ids.get(name, -1), "")
            now = same if (self.lasting and same) or name not in later.rows else name
            moved.add(now)
            found[name] = (before, later.rows[now] if now else None, bool(now))
        found.update({name: (None, rows, True) for name, rows in later.rows.items() if name not in moved})
        return found


@dataclass(frozen=True, kw_only=True)
class Shrunk:
    """A table that has fewer rows than before. `ours` is False where another session may have taken them."""

    table: str
    before: int
    after: int
    gone: bool = False
    ours: bool = True

    @property
    def lost(self) -> int:
        return self.before - self.after


def count(script: Script, *, since: Counted | None = None) -> Counted:
    """Every table of the user; what a role may not read is left out.

    `since` was counted in this same transaction: on PostgreSQL, what it has not touched meanwhile is not read again
    while it holds its locks.
    """
    known = _untouched(script, since) if since and script.vendor == "postgresql" else {}
    tables = _postgresql(script) if script.vendor == "postgresql" else _sqlite(script)
    rows: dict[str, int | None] = {}
    ids = {}
    for name, sql, number, estimate in tables:
        if number in known:
            rows[name] = known[number]
        else:
            rows[name] = int(script.ask(sql)[0][0]) if estimate is not None and estimate <= TOO_MANY else None
        ids[name] = number
    return Counted(rows=rows, ids=ids, lasting=script.vendor == "postgresql")


def shrunk(before: Counted, now: Counted, *, ours: Collection[int] | None = None) -> list[Shrunk]:
    """Tables with fewer rows than before, the biggest loss first.

    `ours` are the ids of tables from which nobody else can have taken rows; None when there are no others.
    """
    found = []
    for name, (was, rows, there) in before.after(now).items():
        if was is None or (there and rows is None) or (rows or 0) >= was:
            continue
        mine = ours is None or not there or before.ids.get(name) in ours
        found.append(Shrunk(table=name, before=was, after=rows or 0, gone=not there, ours=mine))
    return sorted(found, key=lambda each: -each.lost)


def alone_with(script: Script) -> Collection[int] | None:
    """Ids of tables that only this transaction can have made smaller: it deleted there, or keeps writers out.

    None on SQLite, where a transaction that writes is alone.
    """
    return {int(number) for (number,) in script.ask(_OURS)} if script.vendor == "postgresql" else None


def invalid_indexes(script: Script) -> dict[str, str]:
    """Indexes that a CREATE INDEX CONCURRENTLY left unfinished, with their tables."""
    if script.vendor != "postgresql":
        return {}
    return {str(index): str(table) for index, table in script.ask(_INVALID)}


def _untouched(script: Script, since: Counted) -> dict[int, int | None]:
    """Rows by id of the tables that this transaction has left alone."""
    touched = {int(number) for (number,) in script.ask(_TOUCHED)}
    return {number: since.rows[name] for name, number in since.ids.items() if number not in touched}


def _postgresql(script: Script) -> Iterator[tuple[str, str, int, int | None]]:
    for name, ident, number, estimate in script.ask(_TABLES.replace("%", "%%")):
        yield str(name), f"SELECT count(*) FROM ONLY {ident}".replace("%", "%%"), int(number), estimate


def _sqlite(script: Script) -> Iterator[tuple[str, str, int, int | None]]:
    names = script.ask("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name")
    roots = dict(script.ask("SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'"))
    for (name,) in names:
        if not is_hidden(name) and not name.lower().startswith("sqlite_"):
            yield str(name), f"SELECT count(*) FROM {quoted(name)} NOT INDEXED", int(roots.get(name) or 0), 0
