"""What a PostgreSQL server says of itself in a moment."""

from __future__ import annotations

import time

import psycopg

from opsconsole.engines.postgresql.connect import LOOK, Connection, Connector, check_version, problem
from opsconsole.engines.vitals import Vitals

# A standby that has replayed all that it was sent is not behind, if only it is sent something: one that has lost its
# primary is as old as what it replayed last.
# A session of another role shows neither its kind nor its transaction to a role without pg_read_all_stats; its database
# and its role are shown to everybody (those of autovacuum have none).
_STANDING = """
    SELECT current_setting('server_version_num')::int, pg_is_in_recovery(),
        CASE WHEN pg_is_in_recovery() AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
                AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
            WHEN pg_is_in_recovery()
            THEN extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 END,
        (SELECT count(*) FROM pg_stat_replication),
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
        count(*) FILTER (WHERE client OR hidden), count(*) FILTER (WHERE hidden AND here),
        coalesce(extract(epoch FROM max(clock_timestamp() - xact_start) FILTER (WHERE client AND here))::float8, 0),
        count(*) FILTER (WHERE client AND here AND wait_event_type = 'Lock')
    FROM (SELECT xact_start, wait_event_type, datname = current_database() AS here,
            backend_type = 'client backend' AS client,
            backend_type IS NULL AND datid IS NOT NULL AND usesysid IS NOT NULL AS hidden
        FROM pg_stat_activity WHERE pid <> pg_backend_pid()) AS sessions
"""


def read(connector: Connector, *, seconds: float) -> Vitals:
    """Every step may take `seconds`. Raises TargetProblem."""
    limits = LOOK | {"statement_timeout": f"{int(seconds * 1000)}ms"}
    before = time.perf_counter()
    with connector.hasty(seconds).session(limits) as session:
        opened = time.perf_counter()
        session.execute("SELECT 1").fetchone()
        answered = time.perf_counter()
        row = session.execute(_STANDING).fetchone()
        assert row is not None
        number, standby, lag, replicas, most, used, hidden, longest, waiting = row
        check_version(number)
        size, unknown = _size(session)
    if hidden:
        unknown["longest_transaction_seconds"] = "The role does not see the sessions of others: grant it pg_monitor."
    if standby and lag is None:
        unknown["lag_seconds"] = "The standby is behind, and has replayed nothing since it was started."
    return Vitals(
        latency_ms=round((answered - opened) * 1000, 2),
        connect_ms=round((opened - before) * 1000, 2),
        size_bytes=size,
        role="standby" if standby else "primary",
        lag_seconds=lag,
        replicas=replicas,
        connections=used,
        connections_most=most,
        longest_transaction_seconds=None if hidden else round(longest, 1),
        waiting=None if hidden else waiting,
        unknown=unknown,
    )


def _size(session: Connection) -> tuple[int | None, dict[str, str]]:
    """The size, or why it is not known: a server with very many files may take too long over it."""
    try:
        row = session.execute("SELECT pg_database_size(current_database())").fetchone()
    except (psycopg.errors.QueryCanceled, psycopg.errors.InsufficientPrivilege) as error:
        return None, {"size_bytes": problem(error).why}
    return int(row[0]) if row else None, {}
