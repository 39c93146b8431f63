"""Asking a PostgreSQL database about one moment: a snapshot that several sessions may share, and people's SELECTs.

Our session is in one read-only transaction, each question in a savepoint of it, so that one that fails leaves the
moment to the others. Row security is off: a role from which it hides rows is told so, and does not count a part.

People's statements run in a session of their own on the same snapshot, in transactions that are rolled back (before
PostgreSQL 16, large objects can be written in a read-only one). A superuser's session asks through a temporary
function of the role pg_read_all_data (see `asking`); any other role asks with its own rights, and may not be one that
reaches files or programs of the server. On a standby no such function can be made, so that a superuser's session runs
no statements of people there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, ClassVar, cast

import psycopg
from psycopg import sql

from opsconsole.engines.inquiry import MOST_ANSWERED, AskFailed, Inquiry, attended, without_values
from opsconsole.engines.postgresql import asking
from opsconsole.engines.postgresql.complaints import is_of_data
from opsconsole.engines.postgresql.connect import Connection, Connector, is_conflict, problem
from opsconsole.engines.postgresql.pooler import refuse_pooler
from opsconsole.engines.postgresql.raw_texts import Words, take_raw
from opsconsole.engines.postgresql.shadowing import Shadows, shadows
from opsconsole.engines.scripting import Value
from opsconsole.exceptions import TargetProblem
from opsconsole.masking import mask_text

CANCEL_SECONDS = 5.0
MOST_ON_DISK = "8GB"  # of the server's, that one session of people's may fill with sorts and joins
LONGEST_ROW = 1 << 20  # characters of one row of people's, as JSON
_PATIENCE = {
    "lock_timeout": "5s",
    "statement_timeout": "0",  # each question has its own
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "row_security": "off",
}
_OURS = _PATIENCE | {"default_transaction_read_only": "on"}
_OF_PEOPLE = _PATIENCE | {"default_transaction_read_only": "off", "search_path": asking.SEARCH_PATH}
_LOST = frozenset({"08", "57"})
_TOO_LONG = "57014"


class PostgresInquiry(Inquiry):
    vendor: ClassVar[str] = "postgresql"

    def __init__(self, connector: Connector, session: Connection, snapshot: str, seconds: float) -> None:
        super().__init__(seconds)
        self._connector, self._session, self._snapshot = connector, session, snapshot
        self._people: Connection | None = None
        self._found: Shadows | None = None
        self._superuser = False
        self._stack = ExitStack()

    def ask(self, sql: str, values: Sequence[Value] = (), *, seconds: float = 0.0) -> list[tuple[Any, ...]]:
        session, seconds = self._session, seconds or self.seconds
        text = sql.replace("%", "%%").replace("?", "%s") if values else sql

        def answer() -> list[tuple[Any, ...]]:
            return session.execute(text.encode(), list(values) or None).fetchall()

        with self._explained(session, seconds), session.transaction():
            _bound(session, seconds)
            return attended(answer, self._tick, lambda: session.cancel_safe(timeout=CANCEL_SECONDS))

    def ask_people(self, statement: str, *, seconds: float = 0.0, most: int = 1000) -> list[dict[str, Any]]:
        asked = sql.SQL("SELECT left(to_json(asked)::text, {}) FROM (\n{}\n) AS asked LIMIT {}").format(
            sql.Literal(LONGEST_ROW + 1), Words(statement.strip().rstrip(";")), sql.Literal(most)
        )
        session, seconds = self._reader(), seconds or self.seconds
        if other := self._shadows().of(statement):
            why = f"this database has {other} of its own beside the server's, and which of them would run is not known"
            raise AskFailed(f"{why}; move it to a schema that is not searched", code="42725")
        with self._explained(session, seconds):
            _compiled(session, asked)  # what the server says here is about words, and names columns that are not there
        with self._explained(session, seconds, discreet=True):
            question = asking.guarded_rows(session, asked) if self._superuser else asked
            with session.transaction(force_rollback=True):
                session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                session.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(self._snapshot)))
                _bound(session, seconds)
                rows = attended(
                    lambda: _rows(session, question), self._tick, lambda: session.cancel_safe(timeout=CANCEL_SECONDS)
                )
            session.execute("SELECT pg_advisory_unlock_all()")
        return rows

    @contextmanager
    def beside(self) -> Iterator[Inquiry]:
        with _moment(self._connector, self.seconds, self._snapshot) as other:
            other._tick = self._tick
            yield other

    def close(self) -> None:
        """Close the session for people's statements, if there was one."""
        self._people = None
        self._stack.close()

    def _reader(self) -> Connection:
        """The session for people's statements. Raises AskFailed where it would have rights beyond reading."""
        if self._people is None:
            try:
                session = self._stack.enter_context(closing(self._connector.open(_OF_PEOPLE)))
            except TargetProblem as error:
                if self._stands():
                    raise AskFailed(f"there is no session for statements of people: {error.why}") from error
                raise
            with self._explained(session, 0.0):
                take_raw(session, as_json=True)
                why = asking.why_not(session)
                self._superuser = asking.is_superuser(session)
                if self._superuser:  # no other role may set it
                    session.execute(sql.SQL("SET temp_file_limit = {}").format(sql.Literal(MOST_ON_DISK)))
                standby = self._superuser and session.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
            if standby:
                why = "this is a standby, where a superuser's rights cannot be given up (use a role that only reads)"
            if why:
                self.close()
                raise AskFailed(f"statements of people are not run: {why}", code="42501")
            self._people = session
        return self._people

    def _shadows(self) -> Shadows:
        if self._found is None:
            with self._explained(self._session, 0.0), self._session.transaction():
                self._found = shadows(self._session, ["public", asking.READER])
        return self._found

    @contextmanager
    def _explained(self, session: Connection, seconds: float, *, discreet: bool = False) -> Iterator[None]:
        """Errors of the server as answers; TargetProblem when it was the moment's own session that is lost.

        With `discreet` nothing that the server quotes is told, for any error may quote a value (of a name, say, that
        people's SQL has made of one).
        """
        began = time.monotonic()
        try:
            yield
        except psycopg.Error as error:
            lost = session.closed or ((error.sqlstate or "08")[:2] in _LOST and error.sqlstate != _TOO_LONG)
            lost = lost or is_conflict(error)  # whoever holds the same snapshot is ended, too
            if lost and session is not self._session:
                self.close()
                lost = not self._stands()
            if lost:
                raise problem(error, self._connector.parameters.get("password", "")) from error
            raise _failed(error, seconds, time.monotonic() - began, discreet) from error

    def _stands(self) -> bool:
        try:
            self._session.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True


@contextmanager
def opened(connector: Connector, *, seconds: float) -> Iterator[PostgresInquiry]:
    """An inquiry whose questions may take `seconds` each. Raises TargetProblem, also for a pooler of connections."""
    with _moment(connector, seconds, "") as inquiry:
        yield inquiry


@contextmanager
def _moment(connector: Connector, seconds: float, snapshot: str) -> Iterator[PostgresInquiry]:
    with connector.session(_OURS) as session:
        if not snapshot:
            refuse_pooler(connector, session)
        take_raw(session)
        with session.transaction(force_rollback=True):
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            if snapshot:
                session.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
            else:
                row = session.execute("SELECT pg_export_snapshot()").fetchone()
                snapshot = str(row[0]) if row else ""
            with closing(PostgresInquiry(connector, session, snapshot, seconds)) as inquiry:
                yield inquiry


def _bound(session: Connection, seconds: float) -> None:
    milliseconds = max(1, int(seconds * 1000))  # 0 would be no bound at all
    session.execute("SELECT set_config('statement_timeout', %s, true)", (f"{milliseconds}ms",))


def _compiled(session: Connection, asked: sql.Composed) -> None:
    """Have the server read a statement and not run it; it takes one only, where a function's body may hold several.

    No row is looked at, so that what it complains of are the statement's own words.
    """
    result = session.pgconn.prepare(b"", asked.as_bytes(session))
    if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(result, session.info.encoding)


def _rows(session: Connection, question: sql.Composed) -> list[dict[str, Any]]:
    """One text of JSON a row, taken row by row: what they hold altogether is bounded."""
    rows: list[dict[str, Any]] = []
    left = MOST_ANSWERED
    with closing(cast(Generator[tuple[str]], session.cursor().stream(question))) as stream:
        for (text,) in stream:
            left -= len(text)
            if len(text) > LONGEST_ROW or left < 0:
                raise AskFailed("its rows are too large to be looked at; ask for fewer columns", code="54000")
            rows.append(json.loads(text, parse_float=str))
    return rows


def _failed(error: psycopg.Error, seconds: float, took: float, discreet: bool) -> AskFailed:
    if error.sqlstate == _TOO_LONG and 0 < seconds <= took + 0.5:
        return AskFailed(f"it took longer than {seconds:g} seconds", code=_TOO_LONG, timeout=True)
    told = " ".join((error.diag.message_primary or str(error)).split()) or type(error).__name__
    if isinstance(error, psycopg.errors.LockNotAvailable):
        told = f"another session holds a lock for too long ({told})"
    if discreet or is_of_data(error):
        told = without_values(mask_text(told))
    return AskFailed(
        told,
        code=error.sqlstate or "",
        locked=isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected),
    )
