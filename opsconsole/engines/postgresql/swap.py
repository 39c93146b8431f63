"""Two databases change names in one transaction; the commit of it is the commit point of a restore by swap."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from psycopg import sql

from opsconsole.engines.labels import Label
from opsconsole.engines.postgresql import catalogue, databases
from opsconsole.engines.postgresql.connect import LOOK, WRITE, Connection, Connector, problem
from opsconsole.exceptions import OperationFailed

ATTEMPTS = 3
SETTLING_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Swap:
    """`live` becomes `old` and `staging` becomes `live`; the oids prove afterwards on which side the crash fell."""

    system: str
    label: str
    live: str
    live_oid: int
    staging: str
    staging_oid: int
    old: str

    def witness(self) -> dict[str, Any]:
        return {"method": "swap", "old_database": self.old, "old_incarnation": str(self.live_oid), **asdict(self)}


def plan_swap(connector: Connector, maintenance: str, staging: str, operation: int) -> Swap:
    """Read the oids and find a name that is free for the database that goes."""
    with connector.session(LOOK, database=maintenance) as session:
        live_oid, staging_oid = (databases.oid_of(session, name) for name in (connector.database, staging))
        if live_oid is None or staging_oid is None:
            raise OperationFailed(
                "staging_gone", f"The database {staging} is not there any more.", "Ask for the restore again."
            )
        names = (databases.old_name(connector.database, connector.label(operation), n) for n in range(1, 1000))
        old = next(name for name in names if databases.oid_of(session, name) is None)
        return Swap(
            system=_system(session),
            label=connector.parameters["application_name"],
            live=connector.database,
            live_oid=live_oid,
            staging=staging,
            staging_oid=staging_oid,
            old=old,
        )


def execute(connector: Connector, maintenance: str, plan: Swap, *, inside: Callable[[], None]) -> None:
    """Change the names. `inside` is called between the renames and their commit.

    RENAME waits at most five seconds for sessions to leave, so another session of ours ends them meanwhile. New ones
    wait for the rename and then find the new database. Raises OperationFailed("busy"), with nothing changed.
    """
    for _ in range(ATTEMPTS):
        try:
            with (
                closing(connector.open(WRITE, database=maintenance)) as session,
                _EndingSessions(connector, maintenance, plan),
            ):
                _rename(session, plan, inside)
                return
        except (psycopg.errors.ObjectInUse, psycopg.errors.LockNotAvailable):
            continue
        except psycopg.Error as error:
            raise problem(error) from error
    raise OperationFailed(
        "busy",
        f"Sessions in {plan.live} could not be ended, so it kept its name.",
        "End them (this role may lack the right to), then ask for the restore again.",
    )


def landed(connector: Connector, witness: Mapping[str, Any]) -> bool | None:
    """Does the live name belong to the copy? None when neither oid has it, or a session may still be at it."""
    if witness["live"] != connector.database:
        return None
    with connector.session(LOOK, database=databases.maintenance_of(connector)) as session:
        if _system(session) != witness["system"] or not settled(session, connector, str(witness["label"])):
            return None
        now = databases.oid_of(session, str(witness["live"]))
    return {witness["staging_oid"]: True, witness["live_oid"]: False}.get(now)


def settled(session: Connection, connector: Connector, label: str) -> bool:
    """Wait until no session of the dead run is left on the server; false when one stays.

    Our own label is not waited for: then the run itself asks, after its transaction has ended one way or the other.
    """
    if label == connector.parameters["application_name"] or Label.of(label) is None:
        return True
    deadline = time.monotonic() + SETTLING_SECONDS
    while time.monotonic() < deadline:
        row = session.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", (label,)).fetchone()
        if row == (0,):
            return True
        time.sleep(0.1)
    return False


def _rename(session: Connection, plan: Swap, inside: Callable[[], None]) -> None:
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    with session.transaction():
        session.execute(rename.format(sql.Identifier(plan.live), sql.Identifier(plan.old)))
        session.execute(rename.format(sql.Identifier(plan.staging), sql.Identifier(plan.live)))
        oids = databases.oid_of(session, plan.old), databases.oid_of(session, plan.live)
        if oids != (plan.live_oid, plan.staging_oid):
            raise OperationFailed(
                "swapped_meanwhile",
                f"{plan.live} is not the database it was when the copy was built.",
                "Look at who else changes databases on this server, then plan again.",
            )
        inside()


def _system(session: Connection) -> str:
    return catalogue.identity(session).key.split(":")[1]


class _EndingSessions:
    """A thread that ends every client session in the live and the staging database, again and again."""

    def __init__(self, connector: Connector, maintenance: str, plan: Swap) -> None:
        self._session = connector.open(WRITE, database=maintenance)
        self._names = [plan.live, plan.staging]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ending sessions", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        self._session.close()

    def _work(self) -> None:
        while not self._over.wait(0.05):
            for pid in self._inside():
                try:
                    self._session.execute("SELECT pg_terminate_backend(%s)", (pid,))
                except psycopg.errors.InsufficientPrivilege:
                    continue  # then RENAME gives up, and says that the database is in use
                except psycopg.Error:
                    return

    def _inside(self) -> list[int]:
        try:
            rows = self._session.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = ANY(%s) AND pid <> pg_backend_pid()", (self._names,)
            ).fetchall()
        except psycopg.Error:
            return []
        return [int(row[0]) for row in rows]
