"""Asking a restored copy what somebody wants to know of it: one SELECT, read-only, by a role with few rights.

The statement becomes the body of a temporary function of the role pg_read_all_data that runs with its owner's rights:
the server lets nothing inside such a function change the role back, whatever the statement or what it calls tries. A
role that is no superuser cannot make such a function; it asks with its own rights, and may not be one that may reach
files or programs of the server.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from opsconsole.engines.base import Answer
from opsconsole.engines.inquiry import without_values
from opsconsole.engines.postgresql.complaints import is_of_data
from opsconsole.engines.postgresql.connect import Connection
from opsconsole.exceptions import Refused
from opsconsole.masking import mask_text

READER = "pg_read_all_data"
POWERS = ("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files")
SEARCH_PATH = '"$user", public'


def why_not(session: Connection) -> str:
    """Why statements of people are not run with this role; empty when they are."""
    row = session.execute(
        "SELECT rolsuper, (SELECT string_agg(p.rolname, ', ') FROM pg_roles p WHERE (p.rolname = ANY(%s) OR p.rolsuper)"
        " AND pg_has_role(p.oid, 'MEMBER')) FROM pg_roles WHERE rolname = current_user",
        (list(POWERS),),
    ).fetchone()
    superuser, powers = row or (False, "")
    return f"the role may use files or programs of the server ({powers})" if powers and not superuser else ""


def ask(session: Connection, statement: str, *, seconds: int) -> Answer:
    """The answer to one statement. `session` is in a copy of our own, which the function may be made in."""
    if reason := why_not(session):
        raise Refused(
            "smoke_role", f"The statements of this database are not run: {reason}.", "Take these rights away."
        )
    asked = sql.SQL("SELECT count(*), min(first::text) FROM (\n{}\n) AS asked(first)").format(
        sql.SQL(statement.strip().rstrip(";"))
    )
    try:
        with session.transaction():
            question = (
                _guarded(session, asked, "opsconsole_asks", "(OUT rows bigint, OUT first text)")
                if is_superuser(session)
                else asked
            )
            session.execute("SET TRANSACTION READ ONLY")
            session.execute(
                "SELECT set_config('statement_timeout', %s, true), set_config('search_path', %s, true)",
                (f"{seconds}s", SEARCH_PATH),
            )
            row = session.execute(question, binary=True).fetchone()  # the extended protocol takes one statement only
    except psycopg.errors.QueryCanceled:
        return Answer(error=f"it took longer than {seconds} seconds")
    except psycopg.Error as error:
        said = " ".join((error.diag.message_primary or type(error).__name__).split())
        return Answer(error=without_values(mask_text(said)) if is_of_data(error) else said)
    return Answer(rows=int(row[0]), first=row[1]) if row else Answer()


def guarded_rows(session: Connection, asked: sql.Composed) -> sql.Composed:
    """A call of a temporary function that gives the rows of `asked`, of one text column, with the rights of READER.

    The function is made outside any transaction that cannot write, and ends with the session.
    """
    return _guarded(session, asked, "opsconsole_rows", "() RETURNS SETOF text")


def _guarded(session: Connection, asked: sql.Composed, name: str, form: str) -> sql.Composed:
    """A call of a temporary function that asks with the rights of READER; `form` is what it gives back."""
    function = sql.SQL("pg_temp.{}").format(sql.Identifier(name))
    session.execute("SELECT set_config('check_function_bodies', 'off', false)")
    session.execute(
        sql.SQL(
            "CREATE OR REPLACE FUNCTION {}{} LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {} AS {}"
        ).format(function, sql.SQL(form), sql.SQL(SEARCH_PATH), sql.Literal(asked.as_bytes(session).decode()))
    )
    session.execute(sql.SQL("ALTER FUNCTION {}() OWNER TO {}").format(function, sql.Identifier(READER)))
    return sql.SQL("SELECT * FROM {}()").format(function)


def is_superuser(session: Connection) -> bool:
    """Whether the session's role may do everything."""
    row = session.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    return bool(row and row[0])
