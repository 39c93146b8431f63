"""Foreign keys that are not enforced for the length of a transaction, so that rows that broke them come back."""

from __future__ import annotations

from collections.abc import Sequence

from opsconsole.engines.postgresql.connect import Connection
from opsconsole.engines.structure import ForeignKey
from opsconsole.exceptions import OperationFailed


def loosened(session: Connection, loose: Sequence[ForeignKey]) -> list[str]:
    """Have foreign keys not enforced in this transaction; gives back what makes them hold again at its end.

    Whoever may, writes as a replica does. Others can take a key away and add it again as it was where it is NOT VALID:
    the rows that are there are not looked at then, as they were not before.
    """
    if _may_write_as_a_replica(session):
        session.execute("SET LOCAL session_replication_role = replica")
        return ["SET LOCAL session_replication_role = origin"]
    again = []
    for key in loose:
        found = _unproven(session, key)
        if found is None:
            raise OperationFailed(
                "key_forbids",
                f"The foreign key {key.name} of {key.table} forbids the rows that would be put back.",
                "Nothing was changed. A role that may set session_replication_role can put them back.",
            )
        table, name, definition = found
        again.append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        session.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())
    return again


def enforced(session: Connection, keys: Sequence[ForeignKey]) -> list[ForeignKey]:
    """Those of the foreign keys that `loosened` would refuse."""
    if _may_write_as_a_replica(session):
        return []
    return [key for key in keys if _unproven(session, key) is None]


def _may_write_as_a_replica(session: Connection) -> bool:
    granted = "has_parameter_privilege('session_replication_role', 'SET')"
    may = granted if session.info.server_version >= 150000 else "current_setting('is_superuser')::boolean"
    row = session.execute(f"SELECT {may}".encode()).fetchone()
    return bool(row and row[0])


def _unproven(session: Connection, key: ForeignKey) -> tuple[str, str, str] | None:
    """Table, name and definition, in SQL, of a foreign key that is NOT VALID and has no comment that would be lost."""
    found = session.execute(
        "SELECT c.oid::regclass::text, quote_ident(k.conname), pg_get_constraintdef(k.oid), k.convalidated,"
        " obj_description(k.oid)"
        " FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE k.contype = 'f' AND k.conname = %s AND n.nspname || '.' || c.relname = %s",
        (key.name, key.table),
    ).fetchone()
    return None if found is None or found[3] or found[4] else (found[0], found[1], found[2])
