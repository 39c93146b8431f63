"""Migrations' texts on PostgreSQL: one simple query each, in a session with the role's own settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, ClassVar

import psycopg
from psycopg.pq import TransactionStatus

from opsconsole.engines.postgresql.connect import Connection, Connector, problem
from opsconsole.engines.scripting import Patience, Script, ScriptFailed, Value

TICK_SECONDS = 0.1
CANCEL_SECONDS = 5.0
_WROTE = ("INSERT", "UPDATE", "DELETE", "MERGE")
_LOST = frozenset({"08", "57"})  # classes of errors after which the session is not to be used
_TOO_LONG = "57014"  # statement_timeout; the session goes on
_ENDED = "The text ended the transaction by itself (COMMIT or ROLLBACK), so that what follows would stand alone."


class PostgresScript(Script):
    vendor: ClassVar[str] = "postgresql"

    def __init__(self, session: Connection, secret: str) -> None:
        self._session, self._secret = session, secret

    def run(self, text: str, *, tick: Callable[[], None] = lambda: None) -> int | None:
        with self._explained(text), ThreadPoolExecutor(1) as beside:
            # without parameters, it is a simple query: exactly these bytes, whatever they hold
            running = beside.submit(self._session.execute, text.encode())
            try:
                while wait([running], TICK_SECONDS).not_done:
                    tick()
            except BaseException:
                self._session.cancel_safe(timeout=CANCEL_SECONDS)
                raise
            done = running.result()
        while done.nextset():
            pass
        return done.rowcount if (done.statusmessage or "").startswith(_WROTE) else None

    def ask(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        with self._explained(sql):
            return self._session.execute(_numbered(sql), list(values)).fetchall()

    def write(self, sql: str, values: Sequence[Value] = ()) -> int:
        with self._explained(sql):
            return self._session.execute(_numbered(sql), list(values)).rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._explained(""):
            self._session.execute("BEGIN")
        try:
            yield
            if not self.in_transaction:
                raise ScriptFailed(_ENDED, code="25P01")
            with self._explained(""):
                self._session.execute("COMMIT")
        except BaseException:
            if self._session.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                self._session.execute("ROLLBACK")
            raise

    @property
    def in_transaction(self) -> bool:
        return self._session.info.transaction_status is not TransactionStatus.IDLE

    @contextmanager
    def _explained(self, text: str) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if self._session.closed or ((error.sqlstate or "08")[:2] in _LOST and error.sqlstate != _TOO_LONG):
                raise problem(error, self._secret) from error
            raise _failed(error, text) from error


@contextmanager
def opened(connector: Connector, patience: Patience, *, read_only: bool) -> Iterator[PostgresScript]:
    """A session whose search path and output forms are the role's own, as the tools' sessions have them."""
    settings = {
        "lock_timeout": f"{int(patience.lock * 1000)}ms",
        "statement_timeout": f"{int(patience.statement * 1000)}ms",
        "idle_in_transaction_session_timeout": "0",
        "default_transaction_read_only": "on" if read_only else "off",
        "client_connection_check_interval": "2s",
    }
    session = connector.open_plain(settings)
    try:
        yield PostgresScript(session, connector.parameters.get("password", ""))
    finally:
        session.close()


def _numbered(sql: str) -> bytes:
    """`?` as psycopg's `%s`; our own statements hold no other question marks, and no percent signs."""
    return sql.replace("?", "%s").encode()


def _failed(error: psycopg.Error, text: str) -> ScriptFailed:
    told = " ".join((error.diag.message_primary or str(error)).split()) or type(error).__name__
    place = int(error.diag.statement_position or 0)
    line = text.count("\n", 0, place - 1) + 1 if place else 0
    locked = isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected)
    return ScriptFailed(told, code=error.sqlstate or "", line=line, locked=locked)
