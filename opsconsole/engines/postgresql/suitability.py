"""May this backup be restored into this database, by this role? Questions to the destination's catalogue."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping

from opsconsole.engines.postgresql.address import is_local
from opsconsole.engines.postgresql.catalogue import USER_TABLES
from opsconsole.engines.postgresql.connect import Connection, Connector


def extensions(session: Connection) -> dict[str, str]:
    """Installed extensions and their versions, without plpgsql, which every database has."""
    rows = session.execute(
        "SELECT extname, extversion FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"
    ).fetchall()
    return {str(name): str(version) for name, version in rows}


def missing_extensions(session: Connection, wanted: Iterable[str]) -> list[str]:
    """Those that the server does not offer at all."""
    rows = session.execute("SELECT name FROM pg_available_extensions").fetchall()
    return sorted(set(wanted) - {str(row[0]) for row in rows})


def forbidden_extensions(session: Connection, wanted: Iterable[str]) -> list[str]:
    """Those that this role may not create in a new database (it owns that one, so trusted ones are fine)."""
    rows = session.execute(
        "SELECT DISTINCT name FROM pg_available_extension_versions WHERE superuser AND NOT trusted"
        " AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
    ).fetchall()
    return sorted(set(wanted) & {str(row[0]) for row in rows})


def roles_used(session: Connection) -> list[str]:
    """Roles that own something in this database or are named in rights, policies or default rights."""
    rows = session.execute(
        r"WITH used(role) AS ("
        r" SELECT refobjid FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND deptype IN ('o', 'a', 'r')"
        r" AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        r" UNION SELECT c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        r" WHERE c.oid >= 16384 AND n.nspname NOT LIKE 'pg\_%'"
        r" UNION SELECT proowner FROM pg_proc WHERE oid >= 16384"
        r" UNION SELECT nspowner FROM pg_namespace WHERE oid >= 16384 AND nspname NOT LIKE 'pg\_%')"
        r" SELECT DISTINCT r.rolname FROM used JOIN pg_roles r ON r.oid = used.role"
        r" WHERE r.rolname NOT LIKE 'pg\_%' ORDER BY 1"
    ).fetchall()
    return [str(row[0]) for row in rows]


def roles_out_of_reach(session: Connection, wanted: Iterable[str]) -> list[str]:
    """Roles that are not there, or that this role may not hand objects over to."""
    rows = session.execute(
        "SELECT r.rolname FROM pg_roles r JOIN pg_roles me ON me.rolname = current_user"
        " WHERE me.rolsuper OR pg_has_role(me.oid, r.oid, 'MEMBER')"
    ).fetchall()
    return sorted(set(wanted) - {str(row[0]) for row in rows})


def left_behind(session: Connection) -> list[str]:
    """What belongs to this database and would stay with the old one in a swap, in words."""
    found = []
    for words, query in (
        ("logical replication slot", "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"),
        (
            "subscription",
            "SELECT s.subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"
            " WHERE d.datname = current_database()",
        ),
        ("prepared transaction", "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"),
    ):
        found += [f"{words} {row[0]}" for row in session.execute(query.encode()).fetchall()]
    return found


def not_owned(session: Connection) -> list[str]:
    """User relations that this role may not drop."""
    rows = session.execute(
        r"SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        r" WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\_%'"
        r" AND n.nspname <> 'information_schema' AND NOT pg_has_role(c.relowner, 'USAGE')"
        r" AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
        r" AND d.deptype = 'e') ORDER BY 1"
    ).fetchall()
    return [str(row[0]) for row in rows]


def closed_schemas(session: Connection) -> list[str]:
    """Schemas that hold user tables and in which this role may create none."""
    rows = session.execute(
        "SELECT DISTINCT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE {USER_TABLES} AND NOT has_schema_privilege(n.oid, 'CREATE') ORDER BY 1"
    ).fetchall()
    return [str(row[0]) for row in rows]


def free_bytes(connector: Connector, session: Connection) -> int | None:
    """Free space where the server keeps its data; None when it is another machine or may not be looked at."""
    if not is_local(connector.parameters["host"]):
        return None
    row = session.execute(
        "SELECT setting FROM pg_settings WHERE name = 'data_directory' AND setting IS NOT NULL"
    ).fetchone()
    try:
        return shutil.disk_usage(row[0]).free if row and row[0] else None
    except OSError:
        return None


def load_settings(session: Connection) -> Mapping[str, str]:
    """Session settings for building a copy: nothing waits for the disk until the copy goes live, and sorts have room.

    The memory for building indexes follows the server's own shared buffers, at most 512 MiB.
    """
    row = session.execute(
        "SELECT greatest(m.setting::bigint,"
        " least(524288, b.setting::bigint * current_setting('block_size')::bigint / 1024))"
        " FROM pg_settings m, pg_settings b WHERE m.name = 'maintenance_work_mem' AND b.name = 'shared_buffers'"
    ).fetchone()
    memory = int(row[0]) if row else 65536
    return {
        "synchronous_commit": "off",
        "maintenance_work_mem": f"{memory}kB",
        "default_transaction_read_only": "off",
    }
