"""Putting rows into a file that is in use, in one transaction: all of them, or a reason why not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from opsconsole.engines.sqlite import probe, staging
from opsconsole.engines.sqlite.cells import values_of
from opsconsole.engines.sqlite.connections import explained, writing
from opsconsole.engines.sqlite.engine import SqliteEngine
from opsconsole.exceptions import OperationFailed

AGAIN = "Nothing was put back. Look at the rows, then ask again."


class Patching:
    """The open transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._orphans = self._count_orphans()

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[bytes], *, skip: bool) -> int:
        """Rows of cells into a table; gives back how many went in. With `skip` those whose key is taken do not."""
        names, marks = ", ".join(map(probe.quoted, columns)), ", ".join("?" * len(columns))
        conflict = "ON CONFLICT DO NOTHING" if skip else ""
        statement = f"INSERT INTO {probe.quoted(table)} ({names}) VALUES ({marks}) {conflict}"
        try:
            return self._connection.executemany(statement, map(values_of, rows)).rowcount
        except sqlite3.IntegrityError as error:
            raise OperationFailed(
                "conflict",
                f"Rows of {table} break a rule of the table by now ({error}).",
                f"{AGAIN} conflict=skip leaves out rows whose key is taken.",
            ) from error

    def settle(self) -> None:
        """Raise OperationFailed when rows refer to others that are not there."""
        if (orphans := self._count_orphans()) > self._orphans:
            raise OperationFailed(
                "foreign_key",
                f"{orphans - self._orphans} rows refer to rows that are not there any more.",
                f"{AGAIN} Perhaps what they refer to must be restored first.",
            )

    def mark(self, operation_id: int, fence: int, token: str) -> None:
        """The row by which a later process sees that the transaction was committed."""
        staging.mark_beside(self._connection, operation_id, fence, token)

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def _count_orphans(self) -> int:
        return sum(1 for _ in self._connection.execute("PRAGMA foreign_key_check"))


@contextmanager
def transaction(engine: SqliteEngine) -> Iterator[Patching]:
    """A transaction that nobody else can write beside. Committed by `commit`, rolled back otherwise."""
    with begun(engine) as connection:
        connection.execute("PRAGMA defer_foreign_keys=ON")
        yield Patching(connection)


@contextmanager
def begun(engine: SqliteEngine) -> Iterator[sqlite3.Connection]:
    """A connection in the transaction of a writer, in which references are checked; rolled back unless committed."""
    with engine.spot() as spot, writing(spot, foreign_keys=True) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except sqlite3.Error as error:
            raise explained(error, spot.path) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
