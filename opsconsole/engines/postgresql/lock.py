"""The lock inside a target: one advisory lock in the database, one in the maintenance database.

Advisory locks belong to a database, so two consoles that reach it under different host names collide. A swap renames
the database away from under the first lock; the second, keyed on the database's name, excludes others meanwhile. Both
live in sessions of ours: the server frees them when we die.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import psycopg

from opsconsole.engines.base import Holder, TargetBusy, TargetLock
from opsconsole.engines.labels import Label
from opsconsole.engines.postgresql.connect import LONG, Connection, Connector, problem
from opsconsole.engines.postgresql.pooler import refuse_pooler
from opsconsole.exceptions import TargetProblem

IN_DATABASE = 0x44424331
IN_MAINTENANCE = 0x44424332
TERMINATION_SECONDS = 10.0


@dataclass(frozen=True)
class Place:
    """One advisory lock: `key` within one database, by an open session."""

    session: Connection
    space: int
    key: int

    def take(self) -> bool:
        row = self.session.execute("SELECT pg_try_advisory_lock(%s, %s)", (self.space, self.key)).fetchone()
        return bool(row and row[0])

    def is_ours(self) -> bool:
        return self._holders("l.pid = pg_backend_pid()") != []

    def holder(self) -> Holder:
        rows = self._holders("l.pid <> pg_backend_pid()")
        return Holder(*rows[0]) if rows else Holder("a session that has just ended")

    def _holders(self, condition: str) -> list[tuple[str, str]]:
        rows = self.session.execute(
            "SELECT coalesce(a.application_name, ''), coalesce(a.backend_start::text, '') FROM pg_locks l"
            " LEFT JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted"
            " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            f" AND l.classid::bigint = %s AND l.objid::bigint = %s AND l.objsubid = 2 AND {condition}",
            (self.space, self.key % 2**32),
        ).fetchall()
        return [(str(label), str(since)) for label, since in rows]


class PostgresLock(TargetLock):
    """Held by open sessions; the outer one is None where this role may enter no maintenance database (nor swap)."""

    def __init__(self, inner: Place, outer: Place | None) -> None:
        self._inner: Place | None = inner
        self._outer = outer

    def confirm(self) -> None:
        for place in filter(None, (self._inner, self._outer)):
            try:
                ours = place.is_ours()
            except psycopg.Error as error:
                raise TargetProblem(
                    "locked",
                    f"The session that held the target's lock is gone: {problem(error).why}",
                    "Look at the server's log and at the network in between, then ask for the operation again.",
                ) from error
            if not ours:
                raise TargetProblem("locked", "The target's lock is not ours any more.", "Ask for the operation again.")

    def release_inner(self) -> None:
        if self._inner is not None:
            self._inner.session.close()
            self._inner = None


@contextmanager
def hold(connector: Connector, maintenance: str | None) -> Iterator[PostgresLock]:
    """Take both locks, ending lost sessions of the same operation first. Raises TargetBusy or TargetProblem.

    The maintenance database comes first: a lost worker that hangs inside a swap keeps everybody, us too, from
    entering the target until its session has been ended from outside.
    """
    with ExitStack() as stack:
        try:
            lock = _taken(connector, maintenance, stack)
        except psycopg.Error as error:
            raise problem(error, connector.parameters.get("password", "")) from error
        yield lock


def _taken(connector: Connector, maintenance: str | None, stack: ExitStack) -> PostgresLock:
    label = connector.parameters["application_name"]
    outer = None
    if maintenance is not None:
        session = stack.enter_context(closing(connector.open(LONG, database=maintenance)))
        refuse_standby(session)
        end_predecessors(session, label)
        outer = Place(session, IN_MAINTENANCE, key_of(connector.database))
        _take(outer)
    inner = stack.enter_context(closing(connector.open(LONG)))
    refuse_standby(inner)
    refuse_pooler(connector, inner)
    end_predecessors(inner, label)
    place = Place(inner, IN_DATABASE, 0)
    _take(place)
    lock = PostgresLock(place, outer)
    lock.confirm()
    return lock


def key_of(database: str) -> int:
    """A signed 32-bit key of a database's name, the same in every console."""
    return int.from_bytes(hashlib.sha256(database.encode()).digest()[:4], "big", signed=True)


def refuse_standby(session: Connection) -> None:
    row = session.execute("SELECT pg_is_in_recovery()").fetchone()
    if row and row[0]:
        raise TargetProblem(
            "permission",
            "This server is a standby: it takes no writes and no locks of ours.",
            "Register the primary server instead.",
        )


def end_predecessors(session: Connection, label: str) -> None:
    """Terminate every session of the same operation with a lower fence, anywhere on the server, and see them gone."""
    mine = Label.of(label)
    if mine is not None:
        end_sessions(session, mine)


def end_sessions(session: Connection, successor: Label) -> None:
    """Terminate the sessions of a run's predecessors. Raises TargetProblem("locked") when one does not go."""
    deadline = time.monotonic() + TERMINATION_SECONDS
    while pids := _sessions(session, successor):
        if time.monotonic() > deadline:
            raise TargetProblem(
                "locked",
                f"Sessions of a lost worker do not end (process {', '.join(map(str, pids))} on the server).",
                "Look at those sessions on the server, end them, then try again.",
            )
        session.execute("SELECT pg_terminate_backend(pid, 1000) FROM unnest(%s::int[]) AS pid", (pids,))


def _sessions(session: Connection, successor: Label) -> list[int]:
    rows = session.execute(
        "SELECT pid, application_name FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    ).fetchall()
    return [pid for pid, name in rows if successor.supersedes(Label.of(name or ""))]


def _take(place: Place) -> None:
    if not place.take():
        raise TargetBusy(place.holder())
