"""What a staging file gets beside its data: our ledger row, and the tables of the runtime that owns the live file.

Tables named `_cf_*` belong to the runtime of D1. They are in no backup; when a database is replaced, those that it
holds at that moment are carried over into the staging file, so that they survive word for word.
"""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import UTC, datetime
from urllib.parse import quote

from opsconsole.engines.sqlite import probe
from opsconsole.engines.sqlite.catalogue import rowid_name
from opsconsole.engines.sqlite.connections import private, reading
from opsconsole.engines.sqlite.files import Spot

LEDGER = "_opsconsole_ledger"
RUNTIME_PREFIX = "_cf_"


def mark(path: str, operation_id: int, fence: int, token: str) -> None:
    """Put the row into a staging file by which a later process sees that it has become the live database."""
    with private(path) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {LEDGER}")
        mark_beside(connection, operation_id, fence, token)


def mark_beside(connection: sqlite3.Connection, operation_id: int, fence: int, token: str) -> None:
    """Put such a row beside those that are there: what was restored is still what is live."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {LEDGER} (operation INTEGER, fence INTEGER, token TEXT PRIMARY KEY, at TEXT)"
    )
    row = (operation_id, fence, token, datetime.now(UTC).isoformat(timespec="seconds"))
    connection.execute(f"INSERT INTO {LEDGER} VALUES (?, ?, ?, ?)", row)


def is_marked(connection: sqlite3.Connection, token: str) -> bool:
    """Whether the database carries that row."""
    if LEDGER not in probe.table_names(connection, hidden=True):
        return False
    return connection.execute(f"SELECT 1 FROM {LEDGER} WHERE token = ?", (token,)).fetchone() is not None


def carry_runtime_tables(spot: Spot, path: str) -> str:
    """Make the runtime's tables in a staging file equal to those of the live one; their digest there."""
    with private(path) as copy:
        for table in _runtime_tables(copy):
            copy.execute(f"DROP TABLE {probe.quoted(table)}")
        copy.execute("ATTACH ? AS live", (f"file:{quote(spot.path)}?mode=rw",))
        copy.execute("BEGIN")
        for kind, name, sql in _runtime_objects(copy, "live"):
            copy.execute(sql)
            if kind == "table":
                _copy_rows(copy, name)
        copy.execute("COMMIT")
        copy.execute("DETACH live")
        return _digest(copy)


def runtime_digest(spot: Spot) -> str:
    """Digest of the runtime's tables in the live database, to compare with what was carried over."""
    with reading(spot) as live:
        return _digest(live)


def _runtime_tables(connection: sqlite3.Connection) -> list[str]:
    return [name for name in probe.table_names(connection, hidden=True) if name.lower().startswith(RUNTIME_PREFIX)]


def _runtime_objects(connection: sqlite3.Connection, schema: str) -> list[tuple[str, str, str]]:
    """(type, name, text) of tables, then of their indexes and triggers."""
    sql = f"SELECT type, name, tbl_name, sql FROM {schema}.sqlite_schema WHERE sql IS NOT NULL AND type <> 'view'"
    rows = [row for row in connection.execute(sql) if row[2].lower().startswith(RUNTIME_PREFIX)]
    return [(kind, name, text) for kind, name, _, text in sorted(rows, key=lambda row: (row[0] != "table", row[1]))]


def _copy_rows(copy: sqlite3.Connection, table: str) -> None:
    rowid = rowid_name(copy, table)
    columns = ", ".join(([rowid] if rowid else []) + [probe.quoted(name) for name in probe.stored_columns(copy, table)])
    name = probe.quoted(table)
    copy.execute(f"INSERT INTO main.{name} ({columns}) SELECT {columns} FROM live.{name}")


def _digest(connection: sqlite3.Connection) -> str:
    total = hashlib.sha256()
    for kind, name, text in _runtime_objects(connection, "main"):
        rows = probe.digest(connection, name) if kind == "table" else ()
        total.update(repr((kind, name, text, rows)).encode())
    return total.hexdigest()
