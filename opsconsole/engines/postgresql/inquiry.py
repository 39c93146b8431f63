"""Asking a PostgreSQL database about one moment: a snapshot that several sessions may share, and people's SELECTs.

People's statements run in a session of their own on the same snapshot. A superuser's session asks through a temporary
function of the role pg_read_all_data (see `asking`); any other role asks with its own rights, and may not be one that
reaches files or programs of the server.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import psycopg
from psycopg import sql
from psycopg.types.json import set_json_loads

from opsconsole.engines.inquiry import AskFailed, Inquiry
from opsconsole.engines.postgresql import asking
from opsconsole.engines.postgresql.connect import Connection, Connector, problem
from opsconsole.engines.scripting import Value

LOCK_TIMEOUT = "5s"
TICK_SECONDS = 0.1
CANCEL_SECONDS = 5.0
_LOST = frozenset({"08", "57"})
_TOO_LONG = "57014"


class PostgresInquiry(Inquiry):
    vendor: ClassVar[str] = "postgresql"

    def __init__(self, connector: Connector, session: Connection, snapshot: str, seconds: float) -> None:
        self._connector, self._session, self._snapshot, self._seconds = connector, session, snapshot, seconds
        self._tick: Callable[[], None] | None = None
        self._people: Connection | None = None
        self._stack = ExitStack()

    def ask(self, sql: str, values: Sequence[Value] = (), *, seconds: float = 0.0) -> list[tuple[Any, ...]]:
        with self._explained(), self._session.transaction():
            _bound(self._session, seconds or self._seconds)
            if not values:
                return self._fetched(self._session, sql.encode())
            return self._fetched(self._session, sql.replace("?", "%s").encode(), list(values))

    def ask_people(self, statement: str, *, seconds: float = 0.0, most: int = 1000) -> list[dict[str, Any]]:
        text = statement.strip().rstrip(";")
        asked = sql.SQL("SELECT to_json(asked) FROM (\n{}\n) AS asked LIMIT {}").format(
            sql.SQL(text), sql.Literal(most)
        )
        with self._explained():
            session = self._reader()
            question = asking.guarded_rows(session, asked) if asking.is_superuser(session) else asked
            with session.transaction():
                session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                session.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(self._snapshot)))
                _bound(session, seconds or self._seconds)
                session.execute("SELECT set_config('search_path', %s, true)", (asking.SEARCH_PATH,))
                return [row for (row,) in self._fetched(session, question, binary=True)]

    @contextmanager
    def beside(self) -> Iterator[Inquiry]:
        with _moment(self._connector, self._seconds, self._snapshot) as other:
            other._tick = self._tick
            yield other

    @contextmanager
    def ticked(self, tick: Callable[[], None]) -> Iterator[None]:
        before, self._tick = self._tick, tick
        try:
            yield
        finally:
            self._tick = before

    def close(self) -> None:
        """Close the session for people's statements, if there was one."""
        self._stack.close()

    def _reader(self) -> Connection:
        if self._people is None:
            session = self._stack.enter_context(self._connector.session({"lock_timeout": LOCK_TIMEOUT}))
            if why := asking.why_not(session):
                raise AskFailed(f"Statements of people are not run: {why}.", code="42501")
            set_json_loads(lambda raw: json.loads(raw, parse_float=str), context=session)
            self._people = session
        return self._people

    def _fetched(self, session: Connection, *asked: Any, **how: Any) -> list[tuple[Any, ...]]:
        """Run one statement in a thread of its own, so that whoever waits can end it."""
        if self._tick is None:
            return session.execute(*asked, **how).fetchall()
        with ThreadPoolExecutor(1) as beside:
            running = beside.submit(lambda: session.execute(*asked, **how).fetchall())
            try:
                while wait([running], TICK_SECONDS).not_done:
                    self._tick()
            except BaseException:
                session.cancel_safe(timeout=CANCEL_SECONDS)
                raise
            return running.result()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if self._session.closed or ((error.sqlstate or "08")[:2] in _LOST and error.sqlstate != _TOO_LONG):
                raise problem(error, self._connector.parameters.get("password", "")) from error
            raise _failed(error) from error


@contextmanager
def opened(connector: Connector, *, seconds: float) -> Iterator[PostgresInquiry]:
    """An inquiry whose questions may take `seconds` each."""
    with _moment(connector, seconds, "") as inquiry:
        yield inquiry


@contextmanager
def _moment(connector: Connector, seconds: float, snapshot: str) -> Iterator[PostgresInquiry]:
    settings = {"lock_timeout": LOCK_TIMEOUT, "idle_in_transaction_session_timeout": "0"}
    with connector.session(settings) as session, session.transaction():
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if snapshot:
            session.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
        else:
            row = session.execute("SELECT pg_export_snapshot()").fetchone()
            snapshot = str(row[0]) if row else ""
        inquiry = PostgresInquiry(connector, session, snapshot, seconds)
        try:
            yield inquiry
        finally:
            inquiry.close()


def _bound(session: Connection, seconds: float) -> None:
    session.execute("SELECT set_config('statement_timeout', %s, true)", (f"{int(seconds * 1000)}ms",))


def _failed(error: psycopg.Error) -> AskFailed:
    told = " ".join((error.diag.message_primary or str(error)).split()) or type(error).__name__
    return AskFailed(
        told,
        code=error.sqlstate or "",
        timeout=error.sqlstate == _TOO_LONG,
        locked=isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected),
    )
