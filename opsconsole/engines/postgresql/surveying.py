"""A survey of a PostgreSQL database, and which locks a session of it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from opsconsole.engines.postgresql import catalogue, fingerprint, proofs, snapshot
from opsconsole.engines.postgresql.connect import LONG, Connection, Connector
from opsconsole.engines.postgresql.copying import BYTES_A_WORKER, DIGESTS, CopyWorkers, Task, nothing, workers_for
from opsconsole.engines.postgresql.digest_worker import Multiset
from opsconsole.engines.postgresql.snapshot import DataTable
from opsconsole.engines.surveying import Held, Survey, TableState

# Weakest first. Whoever only reads takes ACCESS SHARE, which is not told.
MODES = (
    "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock",
    "ExclusiveLock", "AccessExclusiveLock",
)  # fmt: skip
_STORAGE = f"""
    SELECT c.oid::bigint, coalesce(pg_relation_filenode(c.oid)::text, '') FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {catalogue.USER_TABLES}"""
_INVALID = f"""
    SELECT n.nspname || '.' || c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid AND c.relkind = 'i' AND {catalogue.USER_RELATIONS} ORDER BY 1"""


def survey(connector: Connector, tick: Callable[[], None], like: Survey | None) -> Survey:
    """Everything at once. With `like`, the digest of a table is over the columns that it had there, if it has them."""
    settings = LONG | {"row_security": "off"}
    with connector.session(settings) as session:
        tables = snapshot.data_tables(session)
        storage = dict(session.execute(_STORAGE.encode()).fetchall())
        orphans = {}
        for key in proofs.foreign_keys(session):
            tick()
            if broken := proofs.orphans(session, key):
                orphans[key.words] = broken
        invalid = tuple(name for (name,) in session.execute(_INVALID.encode()).fetchall())
        definitions, size = fingerprint.by_name(session), catalogue.size_bytes(session)
        digest, empty = fingerprint.digest(session), _counted_only(session, tables)
    chosen = {table.full_name: _columns(table, like) for table in tables if table.columns}
    digests = empty | _digests(connector, settings, tables, chosen, tick)
    return Survey(
        tables={
            table.full_name: TableState(
                name=table.full_name, rows=digests[table.full_name][0], digest=digests[table.full_name][1],
                columns=chosen.get(table.full_name, ()), storage=storage.get(table.oid, ""), number=str(table.oid),
                size_bytes=table.size,
            )
            for table in tables
        },
        definitions=definitions,
        fingerprint=digest,
        size_bytes=size,
        orphans=orphans,
        invalid_indexes=invalid,
    )  # fmt: skip


@contextmanager
def watching(connector: Connector, process: int) -> Iterator[Callable[[], Held]]:
    """A function that tells, from a session of its own, what the session of that server process holds now."""
    with connector.session(LONG) as session:

        def look() -> Held:
            rows = session.execute(
                "SELECT relation::bigint, mode FROM pg_locks WHERE pid = %s AND granted AND locktype = 'relation'"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                (process,),
            ).fetchall()
            held: dict[str, str] = {}
            for relation, mode in rows:
                if mode in MODES and MODES.index(mode) >= MODES.index(held.get(str(relation), MODES[0])):
                    held[str(relation)] = mode
            return held

        yield look


def _columns(table: DataTable, like: Survey | None) -> tuple[str, ...]:
    """Those that it had, when it has all of them still, else those that it has."""
    before = next((known for known in like.tables.values() if known.number == str(table.oid)), None) if like else None
    before = before or (like.tables.get(table.full_name) if like else None)
    return before.columns if before and before.columns and set(before.columns) <= set(table.columns) else table.columns


def _digests(
    connector: Connector,
    settings: Mapping[str, str],
    tables: list[DataTable],
    columns: Mapping[str, tuple[str, ...]],
    tick: Callable[[], None],
) -> dict[str, tuple[int, str]]:
    """Rows and digest of each table that has columns; in text form, which is equal for equal values of any type."""
    statements = {
        table.full_name: replace(table, columns=columns[table.full_name], binary=False, pages=0).statements()[0]
        for table in tables
        if table.full_name in columns
    }
    if sum(table.size for table in tables) < BYTES_A_WORKER:
        with connector.session(settings) as session:
            return {name: _digest(session, statement, tick) for name, statement in statements.items()}
    sizes = {table.full_name: table.size for table in tables}
    tasks = [
        Task(
            name=name, size=sizes[name], open=nothing,
            order={"do": "digest_table", "sql": statement.decode(), "binary": False, "arrays": []},
        )
        for name, statement in statements.items()
    ]  # fmt: skip
    workers = CopyWorkers(
        tick=lambda done: tick(), count=workers_for(tasks), program=DIGESTS, connector=connector, settings=settings
    )
    found = {}
    with workers:
        for task, handle, facts in workers.run(tasks):
            handle.close()
            found[task.name] = (int(facts["rows"]), str(facts["digest"]))
    return found


def _digest(session: Connection, statement: bytes, tick: Callable[[], None]) -> tuple[int, str]:
    """As the workers do it, without the time that starting one takes. The server sends each row as one message."""
    tick()
    rows = Multiset()
    with session.cursor().copy(statement) as copy:
        rows.take(bytes(row)[:-1] for row in copy)
    facts = rows.facts()
    return int(facts["rows"]), str(facts["digest"])


def _counted_only(session: Connection, tables: list[DataTable]) -> dict[str, tuple[int, str]]:
    """Tables without a column to digest."""
    bare = [(table.schema, table.name) for table in tables if not table.columns]
    return {f"{schema}.{name}": (rows, "") for (schema, name), rows in catalogue.counts(session, bare).items()}
