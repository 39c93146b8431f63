"""One moment of a database, shared by every session that copies from it, and the list of what to copy."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from opsconsole.engines.postgresql import catalogue
from opsconsole.engines.postgresql.connect import LONG, Connection, Connector
from opsconsole.engines.postgresql.ours import NOT_OURS
from opsconsole.exceptions import OperationFailed, TargetProblem

ATTEMPTS = 5
CHUNK_PAGES = 4096  # 32 MiB of a table
MOST_CHUNKS = 64  # of one table

# Types whose binary form every supported server writes and reads alike. Text carries all others, as in pg_dump.
BINARY_TYPES = frozenset(
    {"bool", "bytea", "char", "name", "int2", "int4", "int8", "text", "oid", "json", "jsonb", "jsonpath", "uuid"}
    | {"float4", "float8", "numeric", "money", "bpchar", "varchar", "bit", "varbit", "tsvector", "tsquery"}
    | {"date", "time", "timetz", "timestamp", "timestamptz", "interval", "cidr", "inet", "macaddr", "macaddr8"}
    | {"point", "lseg", "path", "box", "polygon", "line", "circle", "pg_lsn", "txid_snapshot", "pg_snapshot", "xid8"}
    | {f"{name}{kind}" for name in ("int4", "int8", "num", "ts", "tstz", "date") for kind in ("range", "multirange")}
)


@dataclass(frozen=True, kw_only=True)
class DataTable:
    """A table whose rows are copied. `columns` leaves generated ones out; `pages` is 0 where chunks cannot be made."""

    oid: int
    schema: str
    name: str
    columns: tuple[str, ...]
    binary: bool
    size: int
    pages: int

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    def statements(self) -> list[bytes]:
        """COPY ... TO STDOUT for the whole table, or for each chunk of it in order."""
        form = sql.SQL("(FORMAT binary)" if self.binary else "(FORMAT text)")
        table = sql.Identifier(self.schema, self.name)
        columns = sql.SQL(", ").join(map(sql.Identifier, self.columns))
        step = max(CHUNK_PAGES, -(-self.pages // MOST_CHUNKS))
        starts = list(range(0, self.pages, step)) if self.pages > step else []
        if not starts:
            return [sql.SQL("COPY {} ({}) TO STDOUT {}").format(table, columns, form).as_bytes(None)]
        bounds = zip(starts, [*starts[1:], None], strict=True)
        select = sql.SQL("COPY (SELECT {} FROM ONLY {} WHERE {}) TO STDOUT {}")
        return [select.format(columns, table, _between(low, high), form).as_bytes(None) for low, high in bounds]


def load_statement(schema: str, name: str, columns: tuple[str, ...], *, binary: bool) -> bytes:
    """COPY ... FROM STDIN that takes what `statements` gave."""
    form = sql.SQL("(FORMAT binary)" if binary else "(FORMAT text)")
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("COPY {} ({}) FROM STDIN {}").format(sql.Identifier(schema, name), listed, form).as_bytes(None)


def _between(low: int, high: int | None) -> sql.Composable:
    from_here = sql.SQL("ctid >= {}::tid").format(sql.Literal(f"({low},0)"))
    return from_here if high is None else from_here + sql.SQL(" AND ctid < {}::tid").format(sql.Literal(f"({high},0)"))


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """An exported snapshot; it lasts as long as `session`'s transaction does."""

    session: Connection
    id: str
    lsn: str
    started_at: str
    tables: tuple[DataTable, ...]


@contextmanager
def taken(connector: Connector) -> Iterator[Snapshot]:
    """Lock all tables against changes of their shape, then export one snapshot of them.

    The locks come first: a table that is emptied or rewritten between snapshot and lock would be read as empty.
    """
    with connector.session(LONG | {"row_security": "off"}) as session:
        _lock_and_look(session)
        with_snapshot = session.execute(
            "SELECT pg_export_snapshot(), pg_current_wal_lsn()::text, clock_timestamp()::text"
        ).fetchone()
        assert with_snapshot is not None
        exported, lsn, started = with_snapshot
        yield Snapshot(session=session, id=exported, lsn=lsn, started_at=started, tables=tuple(data_tables(session)))
        session.execute("COMMIT")


def _lock_and_look(session: Connection) -> None:
    """Leave a repeatable-read transaction open in which every user table is locked and visible as it is.

    The last lock that could not be had in time is raised (it comes out as TargetProblem("locked")).
    """
    for attempt in range(1, ATTEMPTS + 1):
        wanted = _names(session)
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            for schema, name in sorted(wanted.values()):
                session.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS SHARE MODE").format(sql.Identifier(schema, name)))
            if _names(session) == wanted:
                return
        except psycopg.errors.UndefinedTable:
            pass
        except psycopg.errors.LockNotAvailable:
            if attempt == ATTEMPTS:
                raise
        session.execute("ROLLBACK")
        time.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - only to step out of each other's way
    raise OperationFailed(
        "tables_changing",
        "The tables of the database kept changing while their snapshot was taken.",
        "Wait until the migration or maintenance there has finished, then try again.",
    )


def _names(session: Connection) -> dict[int, tuple[str, str]]:
    rows = session.execute(
        "SELECT c.oid::bigint, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE {catalogue.USER_TABLES}"
    ).fetchall()
    return {oid: (schema, name) for oid, schema, name in rows}


def data_tables(session: Connection) -> list[DataTable]:
    """Every user table with the columns to copy, biggest first. Raises TargetProblem when one may not be read."""
    if hidden := catalogue.unreadable(session):
        raise TargetProblem(
            "permission",
            f"This role may not read all rows of {', '.join(hidden[:5])}, so a backup would be incomplete.",
            "GRANT SELECT on them (and BYPASSRLS where row security hides rows) to this role.",
        )
    types = _Types(session)
    rows = session.execute(
        "SELECT c.oid::bigint, n.nspname, c.relname, pg_relation_size(c.oid), pg_table_size(c.oid),"
        " coalesce(m.amname, ''), current_setting('block_size')::int,"
        " array(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0"
        "  AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum),"
        " array(SELECT a.atttypid::bigint FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0"
        "  AND NOT a.attisdropped AND a.attgenerated = '')"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am m ON m.oid = c.relam"
        f" WHERE {catalogue.USER_TABLES} ORDER BY 5 DESC, 2, 3"
    ).fetchall()
    return [
        DataTable(
            oid=oid,
            schema=schema,
            name=name,
            columns=tuple(columns),
            binary=all(map(types.binary, used)),
            size=size,
            pages=heap // block if method == "heap" else 0,
        )
        for oid, schema, name, heap, size, method, block, columns, used in rows
    ]


def binary_test(session: Connection) -> Callable[[int], bool]:
    """A function that tells whether a type, by its number, travels in binary form."""
    return _Types(session).binary


class _Types:
    """Which types travel in binary form: known ones, enums, and arrays and domains of those."""

    def __init__(self, session: Connection) -> None:
        rows = session.execute(
            "SELECT t.oid::bigint, t.typname, n.nspname = 'pg_catalog', t.typtype, t.typbasetype::bigint,"
            " CASE WHEN t.typcategory = 'A' THEN t.typelem::bigint ELSE 0 END,"
            " EXISTS (SELECT FROM pg_depend d"
            " WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')"
            " FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
        ).fetchall()
        self._rows = {row[0]: row[1:] for row in rows}

    def binary(self, oid: int) -> bool:
        name, system, kind, base, element, of_extension = self._rows[oid]
        if of_extension:
            return False
        if kind == "d":
            return self.binary(base)
        if element:
            return self.binary(element)
        return kind == "e" or (system and name in BINARY_TYPES)


def sequences(session: Connection) -> dict[str, str]:
    """`last_value,is_called` of every sequence by its quoted name (identity columns' sequences too)."""
    rows = session.execute(
        r"SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        r" WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\_%'"
        f" AND {NOT_OURS}"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
        " AND d.deptype = 'e') ORDER BY 1, 2"
    ).fetchall()
    found = {}
    for schema, name in rows:
        query = sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(schema, name))
        row = session.execute(query).fetchone()
        assert row is not None
        found[quoted(schema, name)] = f"{row[0]},{'true' if row[1] else 'false'}"
    return found


def quoted(schema: str, name: str) -> str:
    """`"schema"."name"`, each part always quoted: the one unambiguous way to write it."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name))


def beside_tables(session: Connection) -> list[str]:
    """What the rows of tables do not hold, in words."""
    row = session.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone()
    found = [f"{row[0]} large objects"] if row and row[0] else []
    if configured := _configured(session):
        found.append(f"the settings of the extensions {configured}")
    return found


def _configured(session: Connection) -> str:
    """Extensions that keep settings in tables of their own."""
    row = session.execute("SELECT string_agg(extname, ', ') FROM pg_extension WHERE extconfig IS NOT NULL").fetchone()
    return str(row[0]) if row and row[0] else ""


def unfit(session: Connection, tables: tuple[DataTable, ...]) -> str:
    """Why table streams cannot carry this database exactly; empty when they can."""
    row = session.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone()
    if row and row[0]:
        return f"{row[0]} large objects"
    if configured := _configured(session):
        return f"extensions that keep settings in tables of their own: {configured}"
    if bare := [table.full_name for table in tables if not table.columns]:
        return f"tables without a column to copy: {', '.join(bare)}"
    names = [table.full_name for table in tables]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        return f"two tables whose names read alike: {', '.join(twice)}"
    return ""
