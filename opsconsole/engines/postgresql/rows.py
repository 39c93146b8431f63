"""Pages of one table's rows, read-only, in key order."""

from __future__ import annotations

import base64
import json

from psycopg import sql

from opsconsole.engines.base import Page, Table
from opsconsole.engines.postgresql.connect import Connection
from opsconsole.exceptions import Usage

LARGEST_PAGE = 500
LONGEST_TEXT = 1000  # characters of one value; longer ones end in an ellipsis


def page(session: Connection, table: Table, *, limit: int, after: str | None) -> Page:
    """Values come as text (None for NULL), cut at 1,000 characters. Without a primary key: in stored order."""
    key = table.primary_key or ("ctid",)
    limit = max(1, min(limit, LARGEST_PAGE))
    names = [column.name for column in table.columns]
    shown = [
        sql.SQL("CASE WHEN length({0}::text) > {1} THEN left({0}::text, {1}) || '…' ELSE {0}::text END").format(
            sql.Identifier(name), sql.Literal(LONGEST_TEXT)
        )
        for name in names
    ]
    keys = [sql.SQL("{}::text").format(sql.Identifier(name)) for name in key]
    statement = sql.SQL("SELECT {what} FROM ONLY {table} AS t {where} ORDER BY {order} LIMIT {limit}").format(
        what=sql.SQL(", ").join([*keys, *shown]),
        table=sql.Identifier(table.schema, table.name),
        where=_after(table, key, after),
        order=_of_table(key),
        limit=sql.Literal(limit + 1),
    )
    rows = session.execute(statement).fetchall()
    cursor = _encode(rows[limit - 1][: len(key)]) if len(rows) > limit else None
    return Page(columns=tuple(names), rows=tuple(row[len(key) :] for row in rows[:limit]), next_after=cursor)


def _after(table: Table, key: tuple[str, ...], after: str | None) -> sql.Composable:
    if after is None:
        return sql.SQL("")
    values = _decode(after, len(key))
    types = {column.name: column.type for column in table.columns} | {"ctid": "tid"}
    casts = [
        sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(types[name]))
        for name, value in zip(key, values, strict=True)
    ]
    return sql.SQL("WHERE ({}) > ({})").format(_of_table(key), sql.SQL(", ").join(casts))


def _of_table(key: tuple[str, ...]) -> sql.Composable:
    """The key's own columns: a bare name in ORDER BY would mean the text that is shown under it."""
    return sql.SQL(", ").join(sql.Identifier("t", name) for name in key)


def _encode(values: tuple[str, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


def _decode(cursor: str, length: int) -> list[str]:
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except ValueError:
        values = None
    if not isinstance(values, list) or len(values) != length or not all(isinstance(value, str) for value in values):
        raise Usage("bad_cursor", "The place to go on from cannot be read.", "Begin at the first page.")
    return values
