"""Keeping triggers of a table from firing for a moment, inside a transaction, and having them as they were again.

Only a table's owner may do that. Those that the server made for foreign keys go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from opsconsole.engines.postgresql.connect import Connection
from opsconsole.engines.structure import Relation
from opsconsole.exceptions import OperationFailed

_TREE = (  # the table, and where it is partitioned every part, for their rows are there
    "(SELECT c.oid, c.relowner, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS named FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class r ON r.oid = c.oid OR r.relkind = 'p'"
    " AND c.oid IN (SELECT relid FROM pg_partition_tree(r.oid)) JOIN pg_namespace m ON m.oid = r.relnamespace"
    " WHERE m.nspname = %s AND r.relname = %s)"
)
_FIRING = (  # a part's copy of a trigger is called internal before PostgreSQL 15
    "pg_trigger g WHERE g.tgrelid = t.oid AND g.tgenabled <> 'D'"
    " AND (NOT g.tgisinternal OR g.tgparentid <> 0 AND g.tgconstraint = 0)"
)
_AGAIN = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}


@contextmanager
def quiet(session: Connection, relation: Relation) -> Iterator[None]:
    """No trigger that somebody made fires for rows of the table. Nothing deferred may wait in the transaction.

    Raises OperationFailed where the role may not.
    """
    found = session.execute(
        f"SELECT t.named, quote_ident(g.tgname), g.tgenabled::text FROM {_TREE} AS t, LATERAL"
        f" (SELECT g.tgname, g.tgenabled FROM {_FIRING}) AS g ORDER BY 1, 2",
        (relation.schema, relation.name),
    ).fetchall()
    try:
        for table, name, _ in found:
            session.execute(f"ALTER TABLE ONLY {table} DISABLE TRIGGER {name}".encode())
        yield
        for table, name, state in found:
            session.execute(f"ALTER TABLE ONLY {table} {_AGAIN[state]} TRIGGER {name}".encode())
    except psycopg.errors.InsufficientPrivilege as error:
        raise OperationFailed(
            "trigger_forbids",
            f"Triggers of {relation.full_name} change rows that are put back, and only its owner can stop them.",
            "Nothing was changed. Let the console use the table's owner, then ask again.",
        ) from error


def unquiet(session: Connection, relations: Sequence[Relation]) -> list[Relation]:
    """Those of the tables with triggers that `quiet` could not keep from firing with the role of the session."""
    return [relation for relation in relations if _is_forbidden(session, relation)]


def _is_forbidden(session: Connection, relation: Relation) -> bool:
    row = session.execute(
        f"SELECT EXISTS (SELECT FROM {_TREE} AS t WHERE NOT pg_has_role(t.relowner, 'USAGE')"
        f" AND EXISTS (SELECT FROM {_FIRING}))",
        (relation.schema, relation.name),
    ).fetchone()
    return bool(row and row[0])
