"""A survey of an SQLite file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable

from opsconsole.engines.sqlite import connections, probe, structure
from opsconsole.engines.structure import ForeignKey
from opsconsole.engines.surveying import Survey, TableState

_MOST_DAMAGE = 20
_STRING = r"(?P<string>'(?:[^']|'')*')"
_WORDS = re.compile(
    rf"""{_STRING}|(?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])|--[^\n]*|/\*.*?\*/|\s+""", re.DOTALL
)
_SIGNS = re.compile(
    rf"""{_STRING}|(?P<name>"(?:[^"]|"")*")|\s*(?P<sign>[(,])\s*|\s*(?P<end>\))\s*(?=(?P<more>[^\s,)]))?|\s+"""
)
_SIMPLE = re.compile(r"[A-Za-z_]\w*")


def survey(connection: sqlite3.Connection, size_bytes: int, tick: Callable[[], None], like: Survey | None) -> Survey:
    """Everything at once. With `like`, the digest of a table is over the columns that it had there, if it has them."""
    with connections.ticked(connection, tick):
        return _survey(connection, size_bytes, like)


def _survey(connection: sqlite3.Connection, size_bytes: int, like: Survey | None) -> Survey:
    roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'").fetchall())
    tables = {}
    for name in probe.table_names(connection):
        columns = _columns(connection, name, like)
        rows, digest = probe.digest(connection, name, columns)
        tables[name] = TableState(
            name=name, rows=rows, columns=tuple(columns), digest=digest, storage=str(roots.get(name, ""))
        )
    found = probe.checked(connection, probe.CHECKS[1], _MOST_DAMAGE)
    return Survey(
        tables=tables,
        definitions=definitions(connection),
        fingerprint=probe.fingerprint(connection),
        size_bytes=size_bytes,
        orphans=_orphans(connection),
        damage=tuple(line for line in found if line != "ok"),
    )


def definitions(connection: sqlite3.Connection) -> dict[str, str]:
    """Every object by kind and name, and every column; texts are spelled in one way."""
    rows = connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY 1, 2"
    ).fetchall()
    found = {
        f"{kind} {name}": spelled(text)
        for kind, name, table, text in rows
        if not any(probe.is_hidden(each) or each.lower().startswith("sqlite_") for each in (name, table))
    }
    shape = structure.read(connection)
    for table in shape.relations:
        for name, definition in _column_lines(connection, table):
            found[f"column {table}.{name}"] = definition
    for key in shape.foreign_keys:
        found[f"foreign key {key.table}({', '.join(key.columns)})"] = _key_line(key)
    return found


def spelled(text: str) -> str:
    """An SQL text without comments, with blanks where they read well, and quotes only around names that need them."""
    return _SIGNS.sub(_spaced, _WORDS.sub(_bare, text)).strip()


def _bare(part: re.Match[str]) -> str:
    if part["name"]:
        return part["name"][1:-1] if _SIMPLE.fullmatch(part["name"][1:-1]) else part["name"]
    return part["string"] or " "


def _spaced(part: re.Match[str]) -> str:
    if part["end"]:
        return ") " if part["more"] else ")"
    return part["string"] or part["name"] or {"(": " (", ",": ", ", None: " "}[part["sign"]]


def _columns(connection: sqlite3.Connection, table: str, like: Survey | None) -> list[str]:
    """Those that it had, when it has all of them still, else those that it has."""
    now = probe.stored_columns(connection, table)
    before = like.tables.get(table) if like else None
    return list(before.columns) if before and set(before.columns) <= set(now) else now


def _column_lines(connection: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    rows = connection.execute(
        'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)'
        " WHERE hidden <> 1 ORDER BY cid",
        (table,),
    ).fetchall()
    return [
        (
            name,
            " ".join(
                word
                for word in (
                    kind,
                    "NOT NULL" if required else "",
                    "" if default is None else f"DEFAULT {default}",
                    f"PRIMARY KEY {place}" if place else "",
                    "GENERATED" if hidden in (2, 3) else "",
                )
                if word
            ),
        )
        for name, kind, required, default, place, hidden in rows
    ]


def _key_line(key: ForeignKey) -> str:
    action = "" if key.on_delete == "NO ACTION" else f" ON DELETE {key.on_delete}"
    return f"REFERENCES {key.parent}({', '.join(key.parent_columns)}){action}"


def _orphans(connection: sqlite3.Connection) -> dict[str, int]:
    rows = connection.execute(
        'SELECT "table", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2 ORDER BY 1, 2'
    ).fetchall()
    return {f"the references of {table} to {parent}": count for table, parent, count in rows}
