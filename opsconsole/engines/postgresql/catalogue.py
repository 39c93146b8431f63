"""What is in a database: identity, tables, columns, sizes, exact counts."""

from __future__ import annotations

from typing import Any

from psycopg import sql

from opsconsole.engines.base import Column, Identity, Table
from opsconsole.engines.postgresql.connect import Connection, check_version
from opsconsole.engines.postgresql.ours import NOT_OURS

# What is the user's: without system schemas, extensions' relations and ours.
USER_RELATIONS = rf"""
    c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' AND {NOT_OURS}
    AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""
USER_TABLES = f"c.relkind = 'r' AND {USER_RELATIONS}"  # what holds rows of its own


def identity(session: Connection) -> Identity:
    """Who this database is. Raises TargetProblem("version") for servers that are not supported."""
    names = (
        "system",
        "database",
        "oid",
        "version",
        "number",
        "encoding",
        "collation",
        "ctype",
        "role",
        "address",
        "owner",
        "superuser",
        "createdb",
        "standby",
    )
    row = session.execute(
        "SELECT (SELECT system_identifier::text FROM pg_control_system()), d.datname, d.oid::text,"
        " split_part(current_setting('server_version'), ' ', 1), current_setting('server_version_num')::int,"
        " pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, current_user::text,"
        " coalesce(host(inet_server_addr()), 'socket'), pg_get_userbyid(d.datdba), r.rolsuper::text,"
        " (r.rolcreatedb OR r.rolsuper)::text, pg_is_in_recovery()::text"
        " FROM pg_database d JOIN pg_roles r ON r.rolname = current_user WHERE d.datname = current_database()"
    ).fetchone()
    facts = dict(zip(names, row or (), strict=True))
    check_version(facts["number"])
    details = {name: str(facts[name]) for name in names[5:]}
    return Identity(
        key=f"postgresql:{facts['system']}:{facts['database']}",
        incarnation=facts["oid"],
        server_version=facts["version"],
        version_number=facts["number"],
        details=details,
    )


def tables(session: Connection, *, exact: bool) -> list[Table]:
    """User tables by name; partitions are listed, their parents (which hold no rows) are not."""
    rows = session.execute(
        "SELECT c.oid::bigint, n.nspname, c.relname, nullif(c.reltuples, -1)::bigint, pg_total_relation_size(c.oid),"
        " has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')"
        f" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {USER_TABLES} ORDER BY 2, 3"
    ).fetchall()
    columns, keys = _columns(session), _primary_keys(session)
    counted = counts(session, [(row[1], row[2]) for row in rows if row[5]]) if exact else {}
    return [
        Table(
            schema=schema,
            name=name,
            columns=tuple(columns.get(oid, ())),
            primary_key=keys.get(oid, ()),
            rows=counted.get((schema, name)) if exact else estimate,
            exact=(schema, name) in counted,
            size_bytes=size,
        )
        for oid, schema, name, estimate, size, _ in rows
    ]


def counts(session: Connection, names: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Exact rows of each table by (schema, name), children of old-style inheritance left to their own tables."""
    found = {}
    for schema, name in names:
        row = session.execute(sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, name))).fetchone()
        found[schema, name] = int(row[0]) if row else 0
    return found


def sessions(session: Connection) -> list[str]:
    """Client sessions in this database other than ours: the program's name for itself, its role, since when."""
    rows = session.execute(
        "SELECT coalesce(nullif(application_name, ''), 'a program without a name'), usename,"
        " to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        " AND application_name NOT LIKE 'opsconsole%' ORDER BY backend_start"
    ).fetchall()
    return [f"{program} of {role} since {since} UTC" for program, role, since in rows]


def writes(session: Connection) -> str:
    """Rows inserted, updated and deleted in user tables, as the server's statistics have counted them."""
    row = session.execute(
        "SELECT coalesce(sum(n_tup_ins), 0), coalesce(sum(n_tup_upd), 0), coalesce(sum(n_tup_del), 0)"
        " FROM pg_stat_user_tables"
    ).fetchone()
    return "{} inserted, {} updated, {} deleted".format(*row or (0, 0, 0))


def size_bytes(session: Connection) -> int:
    row = session.execute("SELECT pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0


def table_bytes(session: Connection) -> int:
    """What the rows of all user tables occupy, indexes left out."""
    row = session.execute(
        "SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint FROM pg_class c"
        f" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {USER_TABLES}"
    ).fetchone()
    return int(row[0]) if row else 0


def foreign_tables(session: Connection) -> list[str]:
    """Tables whose rows are kept on another server, by quoted name."""
    rows = session.execute(
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'f' ORDER BY 1"
    ).fetchall()
    return [str(row[0]) for row in rows]


def unreadable(session: Connection) -> list[str]:
    """Tables whose rows this role could not back up in full: no right to read them, or row security in the way."""
    rows = session.execute(
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE {USER_TABLES} AND (NOT has_table_privilege(c.oid, 'SELECT')"
        " OR NOT has_schema_privilege(n.oid, 'USAGE') OR row_security_active(c.oid)) ORDER BY 1"
    ).fetchall()
    return [str(row[0]) for row in rows]


def _columns(session: Connection) -> dict[int, list[Column]]:
    rows = session.execute(
        "SELECT a.attrelid::bigint, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,"
        " pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        f" WHERE a.attnum > 0 AND NOT a.attisdropped AND {USER_TABLES} ORDER BY a.attrelid, a.attnum"
    ).fetchall()
    found: dict[int, list[Column]] = {}
    for oid, name, kind, nullable, default in rows:
        found.setdefault(oid, []).append(Column(name=name, type=kind, nullable=nullable, default=default))
    return found


def _primary_keys(session: Connection) -> dict[int, tuple[str, ...]]:
    rows: list[tuple[Any, ...]] = session.execute(
        "SELECT i.indrelid::bigint, array_agg(a.attname::text ORDER BY k.place) FROM pg_index i"
        " CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place)"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number"
        " WHERE i.indisprimary GROUP BY 1"
    ).fetchall()
    return {oid: tuple(names) for oid, names in rows}
