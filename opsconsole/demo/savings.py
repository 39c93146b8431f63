"""The demo's PostgreSQL database, in the embedded server: about 60 MB of an invented savings app."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from psycopg import sql

from opsconsole.embedded.postgresql import EmbeddedPostgres
from opsconsole.engines.postgresql.address import parse
from opsconsole.engines.postgresql.connect import WRITE, Connector

HERE = Path(__file__).parent
NAME = OWNER = "savings"


def create(server: EmbeddedPostgres) -> str:
    """Make role and database unless they are there, and give back the URL for the role, which may create databases.

    The database is filled under another name first, so that one that is there is complete.
    """
    password = _kept_password(server.folder / f"{OWNER}-password")
    superuser = Connector(parse(server.url("postgres")), "opsconsole-demo")
    with superuser.session(WRITE) as session:
        names = session.execute("SELECT datname FROM pg_catalog.pg_database").fetchall()
        if not session.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", [OWNER]).fetchone():
            role = sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}")
            session.execute(role.format(sql.Identifier(OWNER), sql.Literal(password)))
        if (NAME,) not in names:
            draft = f"{NAME}_draft"
            session.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(draft)))
            session.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(draft), sql.Identifier(OWNER)))
            _fill(server.url(draft, user=OWNER, password=password))
            with Connector(parse(server.url(draft)), "opsconsole-demo").session(WRITE) as inside:
                inside.execute("ANALYZE")
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            session.execute(rename.format(sql.Identifier(draft), sql.Identifier(NAME)))
    return server.url(NAME, user=OWNER, password=password)


def _fill(url: str) -> None:
    with Connector(parse(url), "opsconsole-demo").session(WRITE) as session:
        for name in ("savings_schema.sql", "savings_data.sql"):
            session.execute((HERE / name).read_bytes())


def _kept_password(path: Path) -> str:
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
    return path.read_text()
