"""Whole databases: the maintenance database, staging copies, kept ones."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace

import psycopg
from psycopg import sql

from opsconsole.engines.labels import TAG, Label
from opsconsole.engines.postgresql.address import LONGEST_NAME
from opsconsole.engines.postgresql.attributes import Like
from opsconsole.engines.postgresql.connect import WRITE, Connection, Connector
from opsconsole.exceptions import Refused, TargetProblem

MAINTENANCE = ("postgres", "template1")

# -- names ------------------------------------------------------------------------------------------------------


def staging_name(database: str, label: Label) -> str:
    """The copy that one run builds: `DATABASE__oc_CONSOLE_OPERATION_FENCE`."""
    return _named(database, f"__oc_{label.tag}_{label.operation}_{label.fence}")


def old_name(database: str, label: Label, attempt: int = 1) -> str:
    """What the swap of an operation replaced: `DATABASE__old_CONSOLE_OPERATION`."""
    return _named(database, f"__old_{label.tag}_{label.operation}" + (f"_{attempt}" if attempt > 1 else ""))


def _named(database: str, suffix: str) -> str:
    """`database` + `suffix` in at most 63 bytes; a name that had to be cut carries a digest of the whole."""
    room = LONGEST_NAME - len(suffix)
    encoded = database.encode()
    if len(encoded) <= room:
        return database + suffix
    digest = hashlib.sha256(encoded).hexdigest()[:8]
    return encoded[: room - 9].decode(errors="ignore") + "~" + digest + suffix


# -- where to stand ---------------------------------------------------------------------------------------------


def maintenance_of(connector: Connector) -> str | None:
    """The database from which `connector`'s own can be renamed; None when this role may enter none."""
    for name in MAINTENANCE:
        if name == connector.database:
            continue
        try:
            connector.open(database=name).close()
        except TargetProblem as found:
            if found.code in {"missing", "permission", "password"}:
                continue
            raise
        return name
    return None


def why_no_swap(connector: Connector, session: Connection) -> str:
    """Why this role cannot restore by swap; empty when it can."""
    row = session.execute(
        "SELECT r.rolsuper OR r.rolcreatedb, r.rolsuper OR pg_has_role(d.datdba, 'USAGE'), r.rolname,"
        " pg_get_userbyid(d.datdba) FROM pg_roles r, pg_database d"
        " WHERE r.rolname = current_user AND d.datname = current_database()"
    ).fetchone()
    creates, owns, role, owner = row or (False, False, "", "")
    if not creates:
        return f"the role {role} may not create databases."
    if not owns:
        return f"the role {role} may not rename a database of {owner}."
    if maintenance_of(connector) is None:
        return f"the role {role} may enter neither the database postgres nor template1."
    return ""


def why_no_scratch(connector: Connector, session: Connection) -> str:
    """Why this role cannot build a copy beside the database just to look at it; empty when it can."""
    row = session.execute(
        "SELECT rolsuper OR rolcreatedb, rolname FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    creates, role = row or (False, "")
    if not creates:
        return f"the role {role} may not create databases."
    if maintenance_of(connector) is None:
        return f"the role {role} may enter neither the database postgres nor template1."
    return ""


# -- look -------------------------------------------------------------------------------------------------------


def oid_of(session: Connection, database: str) -> int | None:
    row = session.execute("SELECT oid::bigint FROM pg_database WHERE datname = %s", (database,)).fetchone()
    return int(row[0]) if row else None


def leftovers(session: Connection, database: str, own_label: str) -> list[str]:
    """Staging copies of `database`, and operations' sessions in it other than our own.

    Copies kept after a swap are not leftovers.
    """
    names = [str(row[0]) for row in session.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall()]
    staging = [f"database {name}" for name in names if _is_staging(name, database)]
    rows = session.execute(
        "SELECT pid, application_name, coalesce(datname, '') FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND application_name LIKE 'opsconsole%' ORDER BY pid"
    ).fetchall()
    lost = [
        f"session {label} (process {pid})"
        for pid, label, name in rows
        if label != own_label and Label.of(label) and (name == database or _is_staging(name, database))
    ]
    return staging + lost


def _is_staging(name: str, database: str) -> bool:
    """Of whatever console; names of the first version, which carried none, are told too."""
    match = re.search(rf"__oc(_{TAG})?_\d+_\d+\Z", name)
    return match is not None and name == _named(database, match[0])


def _is_kept(name: str, database: str) -> bool:
    match = re.search(rf"__old(_{TAG})?_\d+(_\d+)?\Z", name)
    return match is not None and name == _named(database, match[0])


def _staged_by(name: str, database: str, label: Label) -> bool:
    """Whether `label`, or an earlier run of the same operation, gave that name to a copy."""
    fence = name.rpartition("_")[2]
    return (
        fence.isdecimal()
        and int(fence) <= label.fence
        and name == staging_name(database, replace(label, fence=int(fence)))
    )


# -- change -----------------------------------------------------------------------------------------------------


def create(session: Connection, name: str, model: Like) -> None:
    """An empty database like `model` (rights and settings come last, with `dress`)."""
    options = [sql.SQL("ENCODING {}").format(sql.Literal(model.encoding))]
    for key, value in model.locale.items():
        written = sql.SQL(value) if key == "LOCALE_PROVIDER" else sql.Literal(value)
        options.append(sql.SQL("{} {}").format(sql.SQL(key), written))
    if model.tablespace:
        options.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(model.tablespace)))
    session.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE template0 {}").format(sql.Identifier(name), sql.SQL(" ").join(options))
    )


def create_for_builder(session: Connection, name: str, builder: str, password: str) -> None:
    """An empty database of a fresh role that may build copies on this server, and nothing outside of it.

    Whatever a copy's definitions do while they are restored (checks, functions in indexes), they do as this role: it
    is no superuser, and may reach neither files nor programs of the server.
    """
    role = sql.Identifier(builder)
    session.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB BYPASSRLS PASSWORD {}").format(role, sql.Literal(password)))
    session.execute(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(sql.Identifier(name), role))


def create_roles(session: Connection, names: Iterable[str]) -> None:
    """Roles by which nobody can log in, as owners and grantees on a server that knows none of them."""
    there = {str(row[0]) for row in session.execute("SELECT rolname FROM pg_roles").fetchall()}
    for name in sorted(set(names) - there):
        session.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))


def close(session: Connection, name: str) -> None:
    """Let nobody into a copy that is made only to be looked at, but its owner and superusers."""
    session.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


def drop(session: Connection, name: str) -> None:
    """Drop a database that no session of anybody needs."""
    session.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def drop_staging(session: Connection, database: str, label: Label) -> list[str]:
    """Drop the copies that a run and its predecessors built; gives back their names."""
    names = [str(row[0]) for row in session.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall()]
    doomed = [name for name in names if _staged_by(name, database, label)]
    for name in doomed:
        drop(session, name)
    return doomed


def drop_kept(connector: Connector, name: str, incarnation: str) -> None:
    """Drop a database that a swap has kept, `incarnation` being its oid. Raises Refused for any other one."""
    if not _is_kept(name, connector.database):
        raise Refused(
            "not_kept",
            f"{name} is not a copy of {connector.database} that a restore has kept.",
            "Choose one from the list.",
        )
    maintenance = maintenance_of(connector)
    if maintenance is None:
        raise Refused("no_maintenance", "This role may enter no database from which another one can be dropped.")
    with connector.session(WRITE, database=maintenance) as session:
        found = session.execute("SELECT oid::text FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if found is None:
            return
        if found[0] != incarnation:
            raise Refused(
                "not_kept",
                f"{name} is not the database that the restore has kept: it was made anew, or is on another server.",
                "Look at it on the server, and drop it by hand if nobody needs it.",
            )
        try:
            drop(session, name)
        except psycopg.errors.ObjectInUse as error:
            raise Refused("in_use", f"The database {name} is in use.", "End its sessions, then try again.") from error
