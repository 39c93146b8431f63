"""Is something between us and the server that hands our statements to sessions that are not ours?"""

from __future__ import annotations

from contextlib import closing

import psycopg

from opsconsole.engines.postgresql.connect import LOOK, Connection, Connector
from opsconsole.exceptions import TargetProblem

_PROBE = (0x44424333, 0)


def refuse_pooler(connector: Connector, session: Connection) -> None:
    """Raises TargetProblem("pooler") when locks and settings of a session would not stay with it.

    A pooler makes up the process id that it gives at connect. One that does not is found by keeping another session
    busy between two transactions of ours: the second one lands on another backend, or cannot see our lock.
    """
    if _backend(session) != session.info.backend_pid or not _keeps_locks(connector, session):
        raise TargetProblem(
            "pooler",
            "A connection pooler answers at this address; locks of a session do not survive it.",
            "Connect directly to the PostgreSQL server (its own host and port, not the pooler's).",
        )


def _keeps_locks(connector: Connector, session: Connection) -> bool:
    session.execute("SELECT pg_advisory_lock(%s, %s)", _PROBE)
    before = _backend(session)
    try:
        with closing(connector.open(LOOK)) as other, other.transaction():
            other.execute("SELECT 1")
            row = session.execute(
                "SELECT pg_backend_pid() = %s AND EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'"
                " AND pid = %s AND classid::bigint = %s)",
                (before, before, _PROBE[0]),
            ).fetchone()
            return bool(row and row[0])
    except psycopg.errors.QueryCanceled:
        return False  # a pool of one: our second transaction waited for the other session's
    finally:
        session.execute("SELECT pg_advisory_unlock(%s, %s)", _PROBE)


def _backend(session: Connection) -> int:
    row = session.execute("SELECT pg_backend_pid()").fetchone()
    return int(row[0]) if row else 0
