"""Swaps of PostgreSQL databases: carrying one out, and taking one back with the database that it kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lifecycle.formats.base import Contents, Keeper, Progress
from lifecycle.formats.postgresql_refusals import room_of
from opsconsole.engines.base import Engine, TargetLock
from opsconsole.engines.postgresql import PostgresEngine, attributes, catalogue, databases, suitability, swap
from opsconsole.engines.postgresql.attending import attending
from opsconsole.engines.postgresql.connect import LONG, WRITE, Connector
from opsconsole.exceptions import OperationFailed

_GONE = "Restore a backup instead: the safety backup of that operation holds the same content."


class PostgresKeeper(Keeper):
    engine: ClassVar[str] = "postgresql"

    def room(self, engine: Engine, contents: Contents) -> tuple[int, int | None]:
        connector = connector_of(engine)
        with connector.session() as session:
            return room_of(connector, session, contents)

    def open(self, engine: Engine, name: str, incarnation: str) -> Engine | None:
        connector = connector_of(engine)
        with connector.session(database=maintenance_of(connector)) as session:
            if str(databases.oid_of(session, name)) != incarnation:
                return None
        return _postgres(engine).beside(name)

    def refusals(self, engine: Engine, name: str, incarnation: str) -> list[tuple[str, str, str]]:
        kept = self.open(engine, name, incarnation)
        if kept is None:
            why = f"The database {name} that was kept is not on the server any more, or it was made anew."
            return [("kept_gone", why, _GONE)]
        found = []
        connector = connector_of(engine)
        with connector.session() as session:
            if reason := databases.why_no_swap(connector, session):
                found.append(("may_not_swap", f"A swap is not possible: {reason}", "Give the role these rights."))
            left = suitability.left_behind(session)
        with connector_of(kept).session() as session:
            left += suitability.left_behind(session)
        if left:
            found.append(("left_behind", f"A swap would leave behind: {', '.join(left)}.", "Drop them first."))
        if others := kept.sessions():
            why = f"Somebody is connected to {name}, which is about to go live: {', '.join(others)}."
            found.append(("kept_in_use", why, "End these sessions, then ask again."))
        return found

    def swap_back(
        self, engine: Engine, lock: TargetLock, name: str, incarnation: str, rows: Mapping[str, int], run: Progress
    ) -> Mapping[str, Any]:
        connector = connector_of(engine)
        maintenance = maintenance_of(connector)
        run.log(f"Counting what {name} holds.")
        _compare(rows, _count(connector, name, maintenance, run), name)
        plan = swap.plan_swap(connector, maintenance, name, run.operation_id)
        if str(plan.staging_oid) != incarnation:
            raise OperationFailed("kept_gone", f"{name} is not the database that was kept.", _GONE)
        with connector.session(WRITE, database=maintenance) as session:
            attributes.match(session, name, attributes.like(session, connector.database))
        return carry_out(engine, lock, plan, run)

    def drop(self, engine: Engine, name: str, incarnation: str) -> None:
        databases.drop_kept(connector_of(engine), name, incarnation)


def carry_out(engine: Engine, lock: TargetLock, plan: swap.Swap, run: Progress) -> dict[str, Any]:
    """The commit point of every swap; gives back its facts. Failpoints: restore.before_swap, in_swap, swapped."""
    connector = connector_of(engine)
    maintenance = maintenance_of(connector)
    facts = plan.witness() | {"old_bytes": engine.size_bytes()}
    run.failpoint("restore.before_swap")
    run.recheck()
    lock.confirm()
    run.before_commit(witness=facts)
    lock.release_inner()
    swap.execute(connector, maintenance, plan, inside=lambda: run.failpoint("restore.in_swap"))
    run.after_commit()
    run.failpoint("restore.swapped")
    return facts


def connector_of(engine: Engine) -> Connector:
    """How to reach a PostgreSQL engine's server. Raises TypeError for an engine of another vendor."""
    return _postgres(engine).connector


def maintenance_of(connector: Connector) -> str:
    """The database from which the target can be renamed. Raises OperationFailed when this role may enter none."""
    found = databases.maintenance_of(connector)
    if found is None:
        raise OperationFailed(
            "no_maintenance",
            "This role may enter no database from which the target can be renamed.",
            "GRANT CONNECT ON DATABASE postgres to it, or restore with method=in_place.",
        )
    return found


def _postgres(engine: Engine) -> PostgresEngine:
    if not isinstance(engine, PostgresEngine):
        raise TypeError(f"{engine!r} is not PostgreSQL")
    return engine


def _count(connector: Connector, name: str, maintenance: str, run: Progress) -> dict[str, int]:
    """Rows by table, counted under an attendant, so that a large database is not taken for a hanging one."""

    def report(seconds: int) -> None:
        run.progress(seconds, 0, "seconds", step="Counting the kept rows")

    with (
        connector.session(LONG, database=name) as session,
        attending(connector, maintenance, report=report, check=run.check_cancel) as attendant,
    ):
        tables = attendant.during(session, lambda: catalogue.tables(session, exact=True))
    return {table.full_name: table.rows or 0 for table in tables}


def _compare(wanted: Mapping[str, int], counted: Mapping[str, int], name: str) -> None:
    """Raises OperationFailed when the kept database holds another number of rows than was agreed to."""
    differing = [table for table in wanted if wanted[table] != counted.get(table)]
    if differing:
        table = differing[0]
        raise OperationFailed(
            "kept_changed",
            f"{name} was changed since this was planned: {table} has {counted.get(table, 'no')} rows,"
            f" and {wanted[table]} were agreed to.",
            "Nothing was changed in the live database. Find out who works in the kept one, then ask again.",
        )
