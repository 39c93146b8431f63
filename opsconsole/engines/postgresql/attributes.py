"""What belongs to a database and not to its content: owner, rights, settings, limit, comment, locale, tablespace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from psycopg import sql

from opsconsole.engines.postgresql.connect import Connection
from opsconsole.exceptions import TargetProblem

# Settings whose stored value is a list of quoted names; each name is set as one text (as pg_dump does it).
LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)


@dataclass(frozen=True, kw_only=True)
class Like:
    """What a new database must share with the one it replaces."""

    oid: int
    owner: str
    encoding: str
    locale: Mapping[str, str]  # options of CREATE DATABASE
    tablespace: str = ""
    limit: int = -1
    comment: str | None = None
    grants: tuple[tuple[str, str, bool], ...] | None = None  # (grantee or "", privilege, grantable); None: the default
    settings: tuple[tuple[str, str], ...] = ()  # (role or "", "name=value")
    details: Mapping[str, str] = field(default_factory=dict)


def like(session: Connection, database: str) -> Like:
    """Everything about an existing database that a replacement takes over. `session` may be in any database."""
    row = session.execute(
        "SELECT d.oid::bigint, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,"
        " t.spcname, d.datconnlimit, shobj_description(d.oid, 'pg_database'), d.datacl IS NULL, to_jsonb(d)"
        " FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = %s",
        (database,),
    ).fetchone()
    if row is None:
        raise TargetProblem("missing", f"There is no database {database} on the server.", "Check the name in the URL.")
    oid, owner, encoding, collate, ctype, tablespace, limit, comment, default_rights, raw = row
    return Like(
        oid=oid,
        owner=owner,
        encoding=encoding,
        locale=_locale(collate, ctype, raw),
        tablespace="" if tablespace == "pg_default" else tablespace,
        limit=limit,
        comment=comment,
        grants=None if default_rights else _grants(session, oid),
        settings=_settings(session, oid),
    )


def _locale(collate: str, ctype: str, raw: Mapping[str, object]) -> dict[str, str]:
    """Options of CREATE DATABASE; the columns that hold them changed with PostgreSQL 15 and 17."""
    options = {"LC_COLLATE": collate, "LC_CTYPE": ctype}
    provider = raw.get("datlocprovider", "c")
    locale = raw.get("datlocale") or raw.get("daticulocale")
    if provider == "i":
        return options | {"LOCALE_PROVIDER": "icu", "ICU_LOCALE": str(locale)}
    if provider == "b":
        return options | {"LOCALE_PROVIDER": "builtin", "BUILTIN_LOCALE": str(locale)}
    return options


def _grants(session: Connection, oid: int) -> tuple[tuple[str, str, bool], ...]:
    rows = session.execute(
        "SELECT CASE WHEN a.grantee = 0 THEN '' ELSE pg_get_userbyid(a.grantee)::text END, a.privilege_type,"
        " a.is_grantable FROM pg_database d, aclexplode(d.datacl) a WHERE d.oid = %s ORDER BY 1, 2",
        (oid,),
    ).fetchall()
    return tuple((str(who), str(what), bool(more)) for who, what, more in rows)


def _settings(session: Connection, oid: int) -> tuple[tuple[str, str], ...]:
    rows = session.execute(
        "SELECT CASE WHEN s.setrole = 0 THEN '' ELSE pg_get_userbyid(s.setrole)::text END, c"
        " FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE s.setdatabase = %s ORDER BY 1, 2",
        (oid,),
    ).fetchall()
    return tuple((str(role), str(setting)) for role, setting in rows)


def match(session: Connection, name: str, model: Like) -> None:
    """Make owner, rights, settings, limit and comment of an existing database those of `model`, in one transaction.

    Nothing is written when they are already.
    """
    found = like(session, name)
    if _worn(found) == _worn(model):
        return
    target = sql.Identifier(name)
    with session.transaction():
        for role, setting in found.settings:
            session.execute(_reset(target, role, setting))
        if found.comment is not None:
            session.execute(sql.SQL("COMMENT ON DATABASE {} IS NULL").format(target))
        for grantee in sorted({grantee for grantee, _, _ in found.grants or () if grantee}):
            session.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(target, sql.Identifier(grantee)))
        dress(session, name, model if found.grants is None else replace(model, grants=_written_out(model)))


def _worn(model: Like) -> tuple[object, ...]:
    return model.owner, model.limit, model.comment, sorted(_written_out(model)), model.settings


def _written_out(model: Like) -> tuple[tuple[str, str, bool], ...]:
    """The rights, those that nobody has changed included."""
    if model.grants is not None:
        return model.grants
    owners = tuple((model.owner, what, False) for what in ("CONNECT", "CREATE", "TEMPORARY"))
    return (("", "CONNECT", False), ("", "TEMPORARY", False), *owners)


def dress(session: Connection, name: str, model: Like) -> None:
    """Give `name` the owner, rights, settings, limit and comment of `model`, in one transaction."""
    target = sql.Identifier(name)
    with session.transaction():
        for role, setting in model.settings:
            session.execute(_set(target, role, setting))
        if model.comment is not None:
            session.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(target, sql.Literal(model.comment)))
        session.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(target, sql.Literal(model.limit)))
        session.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(target, sql.Identifier(model.owner)))
        if model.grants is not None:
            _grant(session, target, model)


def _grant(session: Connection, target: sql.Identifier, model: Like) -> None:
    for nobody in (sql.SQL("PUBLIC"), sql.Identifier(model.owner)):
        session.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(target, nobody))
    for grantee, privilege, grantable in model.grants or ():
        who = sql.Identifier(grantee) if grantee else sql.SQL("PUBLIC")
        more = sql.SQL(" WITH GRANT OPTION" if grantable and grantee and grantee != model.owner else "")
        session.execute(sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(sql.SQL(privilege), target, who, more))


def _set(target: sql.Identifier, role: str, setting: str) -> sql.Composed:
    name, _, value = setting.partition("=")
    values = _names_in(value) if name.lower() in LISTS else [value]
    listed = sql.SQL(", ").join(map(sql.Literal, values or [""]))
    return sql.SQL("ALTER {} SET {} TO {}").format(_subject(target, role), _identifier(name), listed)


def _reset(target: sql.Identifier, role: str, setting: str) -> sql.Composed:
    return sql.SQL("ALTER {} RESET {}").format(_subject(target, role), _identifier(setting.partition("=")[0]))


def _subject(target: sql.Identifier, role: str) -> sql.Composed:
    if not role:
        return sql.SQL("DATABASE {}").format(target)
    return sql.SQL("ROLE {} IN DATABASE {}").format(sql.Identifier(role), target)


def _identifier(setting: str) -> sql.Identifier:
    return sql.Identifier(*setting.split("."))


def _names_in(value: str) -> list[str]:
    found = re.findall(r'"((?:[^"]|"")*)"|([^\s,"][^,"]*)', value)
    return [quoted.replace('""', '"') if not plain else plain.strip() for quoted, plain in found]
