"""Why a backup of PostgreSQL cannot be restored into a database: each reason with its code and what to do next."""

from __future__ import annotations

from lifecycle.formats.base import SCRATCH, Contents
from opsconsole.engines.base import Identity
from opsconsole.engines.postgresql import catalogue, databases, suitability, tools
from opsconsole.engines.postgresql.connect import Connection, Connector, major_of
from opsconsole.exceptions import TargetProblem

Refusals = list[tuple[str, str, str]]


def refusals(connector: Connector, contents: Contents, *, method: str, overwrite: bool) -> Refusals:
    """(code, why, next step) of everything in the way, most serious first; empty when nothing is."""
    if contents.source.get("engine") != "postgresql":
        return [("wrong_engine", "The backup is not one of PostgreSQL.", "Choose another destination.")]
    try:
        with connector.session() as session:
            who = catalogue.identity(session)
            return [
                *_of_versions(connector, who, contents),
                *_of_extensions(session, contents, method),
                *_of_space(connector, session, contents),
                *(
                    _of_scratch(connector, session)
                    if method == SCRATCH
                    else [*_of_content(session, who, contents, overwrite), *_of_roles(session, who, contents)]
                ),
                *(_of_swap(connector, session) if method == "swap" else []),
                *(_of_in_place(session) if method == "in_place" else []),
            ]
    except TargetProblem as problem:
        return [(problem.code, problem.why, problem.next_step)]


def _of_scratch(connector: Connector, session: Connection) -> Refusals:
    if reason := databases.why_no_scratch(connector, session):
        step = "Choose the console's own server (where=embedded), or let the role create databases."
        return [("no_scratch", f"No scratch database can be made: {reason}", step)]
    return []


def _of_in_place(session: Connection) -> Refusals:
    if foreign := suitability.not_owned(session):
        names = ", ".join(foreign[:5])
        return [("not_owner", f"This role may not replace {names}.", "Use a role that is a member of their owner.")]
    if closed := suitability.closed_schemas(session):
        names = ", ".join(closed)
        return [("schema_rights", f"This role may not create tables in {names}.", "GRANT CREATE ON SCHEMA to it.")]
    return []


def _of_versions(connector: Connector, who: Identity, contents: Contents) -> Refusals:
    written, here = major_of(int(contents.source["version_number"])), major_of(who.version_number)
    if here < written:
        return [
            (
                "version_older",
                f"The backup is of PostgreSQL {written} and the destination is {here}.",
                f"Restore into a server of version {written} or newer.",
            )
        ]
    writer = int(contents.tool.get("version", "0").split(".")[0])
    tools.choose(who.version_number, tls=connector.needs_tls, at_least=writer)
    return []


def _of_content(session: Connection, who: Identity, contents: Contents, overwrite: bool) -> Refusals:
    if overwrite or who.key == contents.source["identity"] or not catalogue.tables(session, exact=False):
        return []
    return [
        (
            "not_empty",
            "The destination is not the database that was backed up, and it is not empty.",
            "Give overwrite=yes to replace its content, or choose an empty database.",
        )
    ]


def _of_extensions(session: Connection, contents: Contents, method: str) -> Refusals:
    wanted = dict(contents.source.get("extensions", {}))
    if missing := suitability.missing_extensions(session, wanted):
        step = f"Install the packages of {', '.join(missing)} on the destination's server."
        return [("missing_extension", f"The destination's server does not offer {', '.join(missing)}.", step)]
    there = suitability.extensions(session) if method == "in_place" else {}
    if forbidden := suitability.forbidden_extensions(session, set(wanted) - set(there)):
        step = "Restore with a superuser" + (
            ", or have one create them first." if method == "in_place" else " or in place."
        )
        return [("extension_rights", f"This role may not create the extensions {', '.join(forbidden)}.", step)]
    return []


def _of_roles(session: Connection, who: Identity, contents: Contents) -> Refusals:
    """On its own database a restore must give everything back to its owners; elsewhere the role takes all."""
    missing = suitability.roles_out_of_reach(session, contents.source.get("roles", ()))
    if not missing or who.key != contents.source["identity"]:
        return []
    names = ", ".join(missing)
    return [
        (
            "roles_missing",
            f"The backup holds objects or rights of roles that this role cannot act for: {names}.",
            "Create them again, or make this role a member of them, or use a superuser.",
        )
    ]


def room_of(connector: Connector, session: Connection, contents: Contents) -> tuple[int, int | None]:
    """(bytes that the copy needs on the server, bytes free there or None when that is not to be known from here)."""
    return int(contents.source.get("size_bytes", 0)) * 12 // 10, suitability.free_bytes(connector, session)


def _of_space(connector: Connector, session: Connection, contents: Contents) -> Refusals:
    needed, free = room_of(connector, session, contents)
    if free is None or free >= needed:
        return []
    return [
        (
            "no_space",
            f"The copy needs about {needed >> 20} MiB on the server and {free >> 20} MiB are free.",
            "Free space on the server, drop kept databases, or enlarge the disk.",
        )
    ]


def _of_swap(connector: Connector, session: Connection) -> Refusals:
    found: Refusals = []
    if reason := databases.why_no_swap(connector, session):
        found.append(
            ("may_not_swap", f"A swap is not possible: {reason}", "Use method=in_place, or give the role these rights.")
        )
    if left := suitability.left_behind(session):
        found.append(
            (
                "left_behind",
                f"A swap would leave behind: {', '.join(left)}.",
                "Drop them first, or use method=in_place.",
            )
        )
    return found
