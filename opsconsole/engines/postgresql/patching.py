"""Putting rows into tables that are in use, in the caller's transaction: all of them, or a reason why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter

import psycopg
from psycopg import sql

from opsconsole.engines.postgresql.connect import Connection
from opsconsole.engines.postgresql.snapshot import quoted
from opsconsole.engines.postgresql.structure import numbered
from opsconsole.exceptions import OperationFailed

TEMPORARY = sql.Identifier("pg_temp", "_opsconsole_patch")
AGAIN = "Nothing was put back. Look at the rows, then ask again."
Name = tuple[str, str]


def insert(
    session: Connection, table: Name, columns: Sequence[str], blocks: Iterable[bytes], *, binary: bool, skip: bool
) -> int:
    """Rows of a COPY stream into a table; gives back how many went in. With `skip` those whose key is taken do not.

    The table's own triggers fire, as for any INSERT. Raises OperationFailed.
    """
    name, listed = sql.Identifier(*table), sql.SQL(", ").join(map(sql.Identifier, columns))
    session.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM ONLY {} WITH NO DATA").format(
            TEMPORARY, listed, name
        )
    )
    form = sql.SQL("binary" if binary else "text")
    with session.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN (FORMAT {})").format(TEMPORARY, listed, form)) as copy:
        for block in blocks:
            copy.write(block)
    conflict = sql.SQL("ON CONFLICT DO NOTHING" if skip else "")
    statement = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} {}").format(
        name, listed, listed, TEMPORARY, conflict
    )
    inserted = _explained(session, statement, ".".join(table))
    session.execute(sql.SQL("DROP TABLE {}").format(TEMPORARY))
    return inserted


def settle(session: Connection) -> None:
    """Have constraints that wait for the end checked now. Raises OperationFailed."""
    _explained(session, sql.SQL("SET CONSTRAINTS ALL IMMEDIATE"), "the patch")


def raise_sequences(session: Connection, table: Name) -> None:
    """Move the sequences of a table's columns past the largest value, so that the next row does not meet a taken one.

    A sequence never goes back, so one that was moved for nothing does no harm.
    """
    row = session.execute("SELECT %s::regclass::oid::bigint", (quoted(*table),)).fetchone()
    raising = sql.SQL(
        "SELECT setval(format('%I.%I', {}::text, {}::text)::regclass, m.largest)"
        " FROM (SELECT max({}) AS largest FROM {}) m, {} s"
        " WHERE m.largest > s.last_value OR (m.largest = s.last_value AND NOT s.is_called)"
    )
    for schema, sequence, relation, column in numbered(session):
        if row and relation == row[0]:
            names = sql.Literal(schema), sql.Literal(sequence)
            places = sql.Identifier(column), sql.Identifier(*table), sql.Identifier(schema, sequence)
            session.execute(raising.format(*names, *places))


def parents_first(session: Connection, tables: Sequence[Name]) -> list[Name]:
    """The tables in an order in which foreign keys find what they refer to; as given where they form a ring."""
    rows = session.execute(
        "SELECT n.nspname, c.relname, m.nspname, p.relname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class p ON p.oid = k.confrelid"
        " JOIN pg_namespace m ON m.oid = p.relnamespace WHERE k.contype = 'f'"
    ).fetchall()
    graph: dict[Name, set[Name]] = {table: set() for table in tables}
    for schema, name, parent_schema, parent in rows:
        child, above = (schema, name), (parent_schema, parent)
        if child in graph and above in graph and child != above:
            graph[child].add(above)
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError:
        return list(tables)


def _explained(session: Connection, statement: sql.SQL | sql.Composed, what: str) -> int:
    try:
        return session.execute(statement).rowcount
    except psycopg.errors.ForeignKeyViolation as error:
        raise OperationFailed(
            "foreign_key",
            f"Rows of {what} refer to rows that are not there any more ({error.diag.constraint_name}).",
            f"{AGAIN} Perhaps what they refer to must be restored first.",
        ) from error
    except psycopg.errors.IntegrityError as error:
        raise OperationFailed(
            "conflict",
            f"Rows of {what} break a rule of the table by now ({error.diag.constraint_name or error.sqlstate}).",
            f"{AGAIN} conflict=skip leaves out rows whose key is taken.",
        ) from error
