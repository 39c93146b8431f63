"""What is in an SQLite database, for people: tables with columns, counts and sizes, and pages of rows."""

from __future__ import annotations

import base64
import json
import sqlite3
import time
from typing import Any

from opsconsole.engines.base import Column, Page, Table
from opsconsole.engines.sqlite import probe
from opsconsole.engines.sqlite.connections import interrupted_after
from opsconsole.exceptions import Usage

QUICK_SECONDS = 0.3  # how long inexact counts, and sizes, may take together
LONGEST_TEXT = 2000  # characters of one cell on a page
LONGEST_BLOB = 256  # bytes
LARGEST_CELL = 32 << 20  # bytes; a page with a larger one is refused, for it would have to be loaded whole
_ROWID_NAMES = ("rowid", "_rowid_", "oid")


def tables(connection: sqlite3.Connection, *, exact: bool, seconds: float) -> list[Table]:
    """User tables by name. Without `exact` only those are counted that can be in a moment."""
    names = probe.table_names(connection)
    counts = _exact_counts(connection, names, seconds) if exact else _quick_counts(connection, names)
    with interrupted_after(connection, QUICK_SECONDS):
        sizes = _sizes(connection)
    return [_table(connection, name, rows, sizes.get(name)) for name, rows in counts.items()]


def page(connection: sqlite3.Connection, table: str, *, limit_rows: int, after: str | None) -> Page:
    """Rows in the order of the table's own tree. Raises Usage for an unknown table or a cursor that is not ours."""
    if table not in probe.table_names(connection):
        raise Usage("unknown_table", f"There is no table {table} here.", "Use one of the tables that are listed.")
    columns, key = _columns(connection, table), _key(connection, table)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_CELL)
    marks = _cursor(after, len(key))
    where = f"WHERE ({', '.join(key)}) > ({', '.join('?' * len(key))})" if marks else ""
    shown = [_shortened(probe.quoted(column.name)) for column in columns]
    sql = f"SELECT {', '.join(key + shown)} FROM {probe.quoted(table)} {where} ORDER BY {', '.join(key)} LIMIT ?"
    rows = connection.execute(sql, (*marks, limit_rows + 1)).fetchall()
    more = len(rows) > limit_rows
    rows = rows[:limit_rows]
    return Page(
        columns=tuple(column.name for column in columns),
        rows=tuple(row[len(key) :] for row in rows),
        next_after=_packed(rows[-1][: len(key)]) if more else None,
    )


def _exact_counts(connection: sqlite3.Connection, names: list[str], seconds: float) -> dict[str, int | None]:
    with interrupted_after(connection, seconds):
        return {name: probe.row_count(connection, name) for name in names}


def _quick_counts(connection: sqlite3.Connection, names: list[str]) -> dict[str, int | None]:
    """Counts of as many tables as can be counted in a moment."""
    counts: dict[str, int | None] = dict.fromkeys(names)
    until = time.monotonic() + QUICK_SECONDS
    try:
        with interrupted_after(connection, QUICK_SECONDS):
            for name in names:
                counts[name] = probe.row_count(connection, name) if time.monotonic() < until else None
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
    return counts


def _sizes(connection: sqlite3.Connection) -> dict[str, int]:
    """Bytes by table, its indexes not counted; empty when that takes too long or this SQLite cannot tell."""
    try:
        return dict(connection.execute("SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE").fetchall())
    except sqlite3.OperationalError:
        return {}


def _table(connection: sqlite3.Connection, name: str, rows: int | None, size: int | None) -> Table:
    return Table(
        schema="",
        name=name,
        columns=_columns(connection, name),
        primary_key=_primary_key(connection, name),
        rows=rows,
        exact=rows is not None,
        size_bytes=size,
    )


def _columns(connection: sqlite3.Connection, table: str) -> tuple[Column, ...]:
    sql = 'SELECT name, type, "notnull", dflt_value FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid'
    rows = connection.execute(sql, (table,))
    return tuple(Column(name=name, type=kind, nullable=not must, default=value) for name, kind, must, value in rows)


def _primary_key(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    rows = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE pk > 0 ORDER BY pk", (table,))
    return tuple(name for (name,) in rows)


def rowid_name(connection: sqlite3.Connection, table: str) -> str | None:
    """A name of the table's rowid that no column hides; None for a table without one."""
    sql = "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?"
    (without,) = connection.execute(sql, (table,)).fetchone()
    taken = {column.name.lower() for column in _columns(connection, table)}
    return None if without else next((name for name in _ROWID_NAMES if name not in taken), None)


def _key(connection: sqlite3.Connection, table: str) -> list[str]:
    """SQL names of what orders a table: its rowid, else its primary key."""
    rowid = rowid_name(connection, table)
    key = [rowid] if rowid else [probe.quoted(name) for name in _primary_key(connection, table)]
    if not key:
        raise Usage("no_key", f"The table {table} has columns that hide its row id, and no key.", "Read it with SQL.")
    return key


def _shortened(name: str) -> str:
    return (
        f"CASE typeof({name}) WHEN 'text' THEN CASE WHEN length({name}) > {LONGEST_TEXT} "
        f"THEN substr({name}, 1, {LONGEST_TEXT}) || '…' ELSE {name} END "
        f"WHEN 'blob' THEN substr({name}, 1, {LONGEST_BLOB}) ELSE {name} END"
    )


def _packed(values: tuple[Any, ...]) -> str:
    marked = [["b", value.hex()] if isinstance(value, bytes) else ["v", value] for value in values]
    return base64.urlsafe_b64encode(json.dumps(marked).encode()).decode()


def _cursor(after: str | None, length: int) -> tuple[Any, ...]:
    if after is None:
        return ()
    try:
        marked = json.loads(base64.urlsafe_b64decode(after))
        values = tuple(bytes.fromhex(value) if mark == "b" else value for mark, value in marked)
        if len(values) == length and all(isinstance(value, int | float | str | bytes) for value in values):
            return values
    except (ValueError, TypeError):
        pass
    raise Usage("bad_cursor", "The place to go on from is not one of this table.", "Begin at the first page.")
