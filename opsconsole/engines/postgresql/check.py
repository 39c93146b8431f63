"""Everything that would keep the console from working on a database, in the classes of `database check`."""

from __future__ import annotations

from contextlib import closing

import psycopg

from opsconsole.engines.base import Check, Identity
from opsconsole.engines.postgresql import catalogue, databases, tools
from opsconsole.engines.postgresql.address import is_local
from opsconsole.engines.postgresql.connect import Connection, Connector, major_of, problem
from opsconsole.engines.postgresql.pooler import refuse_pooler
from opsconsole.exceptions import OpsError, TargetProblem


def check(connector: Connector) -> list[Check]:
    """Failures first, then warnings; one line `ok` when nothing failed. Never raises."""
    try:
        with closing(connector.open()) as session:
            return _checks(connector, session)
    except TargetProblem as found:
        return [_failed(found)]
    except psycopg.Error as error:
        return [_failed(problem(error))]


def _checks(connector: Connector, session: Connection) -> list[Check]:
    who = catalogue.identity(session)
    found = [*_failures(connector, session, who), *_warnings(connector, session, who)]
    if all(item.ok for item in found):
        detail = (
            f"PostgreSQL {who.server_version}, database {connector.database}, identity {who.key} ({who.incarnation})"
        )
        found.insert(0, Check(code="ok", ok=True, detail=detail))
    return found


def _failures(connector: Connector, session: Connection, who: Identity) -> list[Check]:
    found = []
    try:
        refuse_pooler(connector, session)
    except TargetProblem as error:
        found.append(_failed(error))
    try:
        tools.choose(who.version_number, tls=connector.needs_tls)
    except TargetProblem as error:
        found.append(_failed(error))
    if hidden := catalogue.unreadable(session):
        found.append(
            Check(
                code="permission",
                ok=False,
                detail=f"The role {who.details['role']} may not read all rows of {_some(hidden)}.",
                next_step="GRANT SELECT on them (and BYPASSRLS where row security hides rows) to this role.",
            )
        )
    return found


def _warnings(connector: Connector, session: Connection, who: Identity) -> list[Check]:
    return [
        Check(code=code, ok=True, detail=detail, next_step=step)
        for applies, code, detail, step in (
            _standby(who),
            _swap(connector, session, who),
            _server_floor(who),
            _tool_floor(connector, who),
            _tls(connector),
        )
        if applies
    ]


def _standby(who: Identity) -> tuple[bool, str, str, str]:
    return (
        who.details["standby"] == "true",
        "permission",
        "This server is a standby: it can be checked and watched, and nothing that writes can be run against it.",
        "Register the primary server, too.",
    )


def _swap(connector: Connector, session: Connection, who: Identity) -> tuple[bool, str, str, str]:
    reason = databases.why_no_swap(connector, session)
    return (
        bool(reason),
        "permission",
        f"Restores can only be done in place: {reason}",
        f"ALTER ROLE {who.details['role']} CREATEDB, and make it (a member of) the owner of the database.",
    )


def _server_floor(who: Identity) -> tuple[bool, str, str, str]:
    major, minor = major_of(who.version_number), who.version_number % 10000
    floor = tools.SECURITY_FLOORS.get(major, 0)
    return (
        tools.below_floor(major, minor),
        "version",
        f"The server {who.server_version} lacks security fixes that came with {major}.{floor}.",
        "Upgrade the server.",
    )


def _tool_floor(connector: Connector, who: Identity) -> tuple[bool, str, str, str]:
    try:
        found = tools.choose(who.version_number, tls=connector.needs_tls)
    except TargetProblem:
        return (False, "", "", "")
    floor = tools.SECURITY_FLOORS.get(found.major, 0)
    return (
        found.below_floor,
        "version",
        f"pg_dump {found.version} in {found.folder} lacks security fixes that came with {found.major}.{floor}.",
        f"Upgrade the package postgresql-client-{found.major}.",
    )


def _tls(connector: Connector) -> tuple[bool, str, str, str]:
    mode, host = connector.parameters["sslmode"], connector.parameters["host"]
    return (
        not is_local(host) and mode != "verify-full",
        "tls",
        f"sslmode={mode} does not prove that {host} is the right server.",
        "Use sslmode=verify-full where possible.",
    )


def _failed(error: OpsError) -> Check:
    return Check(code=error.code, ok=False, detail=error.why, next_step=error.next_step)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
