"""Replacing the content of a database in one transaction, for roles that may not create another database.

What is there now is dropped, the archive's schema and rows come in, and only COMMIT makes it visible. The witness is
the transaction's own number: the server remembers how it ended.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import IO, Any

import psycopg
from psycopg import pq, sql

from opsconsole.engines.object_bytes import Broken, Counted, NoKey, checked, read_blocks
from opsconsole.engines.postgresql import archives, catalogue
from opsconsole.engines.postgresql.archives import plain_sql
from opsconsole.engines.postgresql.connect import LOOK, WRITE, Connection, Connector, problem
from opsconsole.engines.postgresql.copy_worker import message_of
from opsconsole.engines.postgresql.swap import settled
from opsconsole.engines.postgresql.tools import Tools
from opsconsole.exceptions import OperationFailed

ATTEMPTS = 6
LINES_AT_ONCE = 200
_OWN_TRANSACTION = frozenset({b"BEGIN;\n", b"COMMIT;\n"})  # pg_restore puts them around large objects


@dataclass(frozen=True, kw_only=True)
class Scripts:
    """Three parts of SQL: drop what is there, build what rows need, build the rest."""

    drops: str
    before_rows: str
    after_rows: str


def scripts(connector: Connector, live: Tools, found: Tools, archive: int, limits: archives.Limits) -> Scripts:
    """The drops come from the live database's own schema, so that nothing of today survives into yesterday.

    Extensions and schemas that are there already stay: dropping them needs rights that such a role seldom has.
    """
    with connector.session(LOOK) as session:
        kept = _Kept(session)
    plain = limits.options()
    with archives.memory_file() as today, archives.dumping(connector, archives.schema_argv(live, ""), today) as tool:
        tool.finish(lambda: None)
        entries = kept.others(archives.toc(live, today))
        drops = _drops(archives.script(live, today, ["--clean", "--if-exists", *plain], entries))
    entries = kept.others(archives.toc(found, archive))
    before = archives.script(found, archive, ["--section=pre-data", *plain], entries)
    after = archives.script(found, archive, ["--section=post-data", *plain], entries)
    return Scripts(drops=drops, before_rows=before, after_rows=after)


@contextmanager
def transaction(
    connector: Connector,
    tables: Sequence[tuple[str, str]] | None = None,
    *,
    mode: str = "EXCLUSIVE",
    code: str = "restore_failed",
) -> Iterator[Connection]:
    """One transaction with tables (every user table, when none are named) locked against writers, in a stronger mode
    against readers as well. Committed by `commit`, rolled back otherwise; `code` is that of its failures."""
    with connector.session(WRITE | {"row_security": "off"}) as session:
        _lock(session, _user_tables(session) if tables is None else sorted(tables), mode)
        try:
            yield session
        except psycopg.Error as error:
            found = problem(error)
            raise OperationFailed(
                code, f"The transaction failed, so nothing was changed. {found.why}", found.next_step
            ) from error


def run_script(session: Connection, text: str) -> None:
    """Several statements, as they are. May run in a thread of its own, see `attending`."""
    session.execute("SET LOCAL search_path = ''")
    session.execute("SET LOCAL client_encoding = 'UTF8'")
    session.execute(text.encode(), prepare=False)


def load(
    session: Connection,
    statement: bytes,
    descriptor: int,
    *,
    encoding: str,
    expected: Mapping[str, Any],
    identities: Sequence[str] | None,
    tick: Callable[[int], None],
) -> int:
    """COPY one object in, checking its digests on the way; gives back the rows. Raises OperationFailed."""
    counted = Counted()
    blocks = checked(read_blocks(descriptor), counted, expected, identities=identities)
    session.execute(sql.SQL("SET LOCAL client_encoding = {}").format(sql.Literal(encoding)))
    with _blocking(session) as connection:
        _expect(connection.exec_(statement), pq.ExecStatus.COPY_IN)
        try:
            with closing(blocks):
                for data in blocks:
                    connection.put_copy_data(data)
                    tick(counted.plain_size)
        except Broken as error:
            raise _damaged(str(error)) from error
        except NoKey as error:
            raise OperationFailed("key_missing", "No key at hand decrypts the backup.", "Hand its key over.") from error
        connection.put_copy_end()
        return _finish(connection)


def load_lines(session: Connection, statement: bytes, blocks: Iterable[bytes]) -> int:
    """COPY blocks of whole lines in; gives back the rows. What `blocks` raises ends it. Raises OperationFailed."""
    with _blocking(session) as connection:
        _expect(connection.exec_(statement), pq.ExecStatus.COPY_IN)
        try:
            for data in blocks:
                connection.put_copy_data(data)
        except BaseException:
            connection.put_copy_end(b"the rows end here")
            while connection.get_result() is not None:
                pass
            raise
        connection.put_copy_end()
        return _finish(connection)


def load_sql(session: Connection, lines: IO[bytes], tick: Callable[[int], None]) -> None:
    """Run what pg_restore writes for rows: COPY blocks, sequence values, large objects."""
    statements: list[bytes] = []
    done = 0
    for line in lines:
        done += len(line)
        if line.startswith(b"COPY ") and line.endswith(b" FROM stdin;\n"):
            _run(session, statements)
            done += _copy_block(session, line, lines, tick, done)
        elif line not in _OWN_TRANSACTION and not line.startswith((b"\\restrict ", b"\\unrestrict ")):
            statements.append(line)
        if len(statements) > LINES_AT_ONCE and line.endswith(b";\n"):
            _run(session, statements)
            tick(done)
    _run(session, statements)


def _copy_block(
    session: Connection, statement: bytes, lines: IO[bytes], tick: Callable[[int], None], before: int
) -> int:
    """Feed the lines up to `\\.` to a COPY; gives back their bytes."""
    size = 0
    with _blocking(session) as connection:
        _expect(connection.exec_(statement), pq.ExecStatus.COPY_IN)
        for line in lines:
            if line == b"\\.\n":
                break
            connection.put_copy_data(line)
            size += len(line)
            tick(before + size)
        connection.put_copy_end()
        _finish(connection)
    return size


def _run(session: Connection, statements: list[bytes]) -> None:
    if statements:
        run_script(session, plain_sql(b"".join(statements).decode()))
        statements.clear()


def remove_large_objects(session: Connection) -> None:
    """They belong to no table, so no DROP takes them."""
    session.execute("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")


@contextmanager
def _blocking(session: Connection) -> Iterator[pq.abc.PGconn]:
    """The connection for COPY: what the server has not taken yet must not pile up in our memory."""
    connection = session.pgconn
    connection.nonblocking = 0
    try:
        yield connection
    finally:
        connection.nonblocking = 1


def own_number(session: Connection) -> dict[str, Any]:
    """The witness: which transaction of which cluster this is."""
    row = session.execute("SELECT pg_current_xact_id()::text").fetchone()
    assert row is not None
    who = catalogue.identity(session)
    label = session.info.parameter_status("application_name") or ""
    return {
        "method": "in_place",
        "transaction": row[0],
        "identity": who.key,
        "incarnation": who.incarnation,
        "label": label,
    }


def commit(session: Connection) -> None:
    session.execute("COMMIT")


def landed(connector: Connector, witness: Mapping[str, Any]) -> bool | None:
    """How the transaction ended; None when the server does not know any more, or it is still open."""
    with connector.session(LOOK) as session:
        who = catalogue.identity(session)
        if (who.key, who.incarnation) != (witness["identity"], witness["incarnation"]):
            return None
        if not settled(session, connector, str(witness["label"])):
            return None
        row = session.execute("SELECT pg_xact_status(%s::xid8)", (witness["transaction"],)).fetchone()
    return {"committed": True, "aborted": False}.get(row[0]) if row else None


def _user_tables(session: Connection) -> list[tuple[str, str]]:
    return session.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE {catalogue.USER_TABLES} ORDER BY 1, 2"
    ).fetchall()


def _lock(session: Connection, tables: Sequence[tuple[str, str]], mode: str) -> None:
    """BEGIN and lock tables. Tries a few times rather than waiting long in front of others."""
    listed = sql.SQL(", ").join(sql.SQL("ONLY {}").format(sql.Identifier(*table)) for table in tables)
    for _ in range(ATTEMPTS):
        session.execute("BEGIN")
        if not tables:
            return
        try:
            session.execute(sql.SQL("LOCK TABLE {} IN {} MODE").format(listed, sql.SQL(mode)))
            return
        except psycopg.errors.LockNotAvailable:
            session.execute("ROLLBACK")
            time.sleep(random.uniform(0.1, 1.0))  # noqa: S311 - only to step out of each other's way
    raise OperationFailed(
        "busy",
        "The tables stayed locked by other sessions, so nothing was changed.",
        "Stop the jobs that write for a long time, then ask again.",
    )


class _Kept:
    """Entries of an archive that are neither dropped nor created, because they exist and may not be ours."""

    def __init__(self, session: Connection) -> None:
        rows = session.execute(
            "SELECT 'EXTENSION', extname::text, false FROM pg_extension UNION ALL"
            " SELECT 'SCHEMA', nspname::text, pg_has_role(nspowner, 'USAGE') FROM pg_namespace"
        ).fetchall()
        self._objects = {(kind, name) for kind, name, ours in rows if not ours or name == "public"}
        self._foreign = {(kind, name) for kind, name, ours in rows if not ours}

    def others(self, entries: list[str]) -> list[str]:
        return [line for line in entries if not self._is_kept(line)]

    def _is_kept(self, line: str) -> bool:
        match = re.fullmatch(r"\d+; \d+ \d+ ((?:COMMENT|ACL) )?(?:- )?(EXTENSION|SCHEMA) (?:- )?(.*?)(?: \S*)?", line)
        if match is None:
            return False
        return (match[2], match[3]) in (self._foreign if match[1] else self._objects)


def _drops(text: str) -> str:
    """The part of a script with `--clean` before its first object is created."""
    return text.partition("\n--\n-- Name: ")[0]


def _damaged(why: str) -> OperationFailed:
    return OperationFailed("backup_damaged", f"The backup is damaged: {why}.", "Restore from another backup.")


def _finish(connection: pq.abc.PGconn) -> int:
    result = connection.get_result()
    assert result is not None
    _expect(result, pq.ExecStatus.COMMAND_OK)
    while connection.get_result() is not None:
        pass
    return result.command_tuples or 0


def _expect(result: pq.abc.PGresult, status: pq.ExecStatus) -> None:
    if result.status != status:
        raise OperationFailed("restore_failed", f"The server refused rows: {message_of(result)}")
