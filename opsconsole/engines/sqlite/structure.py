"""The structure of an SQLite database: columns, keys, references and triggers of its ordinary tables."""

from __future__ import annotations

import re
import sqlite3

from opsconsole.engines.sqlite.probe import table_names
from opsconsole.engines.structure import Field, ForeignKey, Key, Relation, Structure, Trigger

RIGHTS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
_NAME = r'(?:"(?:[^"]|"")*"|\[[^\]]*\]|`[^`]*`|\'[^\']*\'|[^\s.]+)'
_EVENT = re.compile(
    rf"CREATE\s+(?:TEMP\s+|TEMPORARY\s+)?TRIGGER\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}(?:\s*\.\s*{_NAME})?\s+"
    r"(?:BEFORE\s+|AFTER\s+|INSTEAD\s+OF\s+)?(DELETE|INSERT|UPDATE)",
    re.IGNORECASE,
)


def read(connection: sqlite3.Connection) -> Structure:
    """The structure as the connection sees it. References can always be checked at the end here."""
    names = table_names(connection)
    by_lower = {name.lower(): name for name in names}
    relations = {name: _relation(connection, name) for name in names}
    keys = [key for name in names for key in _foreign_keys(connection, name, by_lower, relations)]
    encoding = str(connection.execute("PRAGMA encoding").fetchone()[0])
    return Structure(relations=relations, foreign_keys=tuple(keys), encoding=encoding)


def _relation(connection: sqlite3.Connection, table: str) -> Relation:
    text, without_rowid = connection.execute(
        "SELECT s.sql, l.wr FROM sqlite_schema s JOIN pragma_table_list l ON l.schema = 'main' AND l.name = s.name"
        " WHERE s.type = 'table' AND s.name = ?",
        (table,),
    ).fetchone()
    columns = connection.execute(
        'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)'
        " WHERE hidden <> 1 ORDER BY cid",
        (table,),
    ).fetchall()
    primary = tuple(name for _, name in sorted((place, name) for name, _, _, _, place, _ in columns if place))
    numbered = not without_rowid and [kind.upper() for _, kind, _, _, place, _ in columns if place] == ["INTEGER"]
    fields = tuple(
        Field(
            name=name,
            type=kind,
            family="stored",
            nullable=not required and not (place and without_rowid),
            default=default is not None or bool(place and numbered),
            generated=hidden in (2, 3),
        )
        for name, kind, required, default, place, hidden in columns
    )
    counted = numbered and re.search(r"\bAUTOINCREMENT\b", text, re.IGNORECASE) is not None
    return Relation(
        schema="",
        name=table,
        fields=fields,
        keys=(*([Key(columns=primary, primary=True)] if primary else []), *_unique(connection, table)),
        triggers=_triggers(connection, table),
        sequences=primary if counted else (),
        whole=table,
        rights=RIGHTS,
    )


def _unique(connection: sqlite3.Connection, table: str) -> list[Key]:
    """Unique indexes over columns that hold for every row."""
    listed = connection.execute(
        "SELECT name FROM pragma_index_list(?) WHERE \"unique\" AND NOT partial AND origin <> 'pk' ORDER BY name",
        (table,),
    ).fetchall()
    found = []
    for (index,) in listed:
        columns = connection.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (index,)).fetchall()
        if all(name is not None for (name,) in columns):
            found.append(Key(columns=tuple(name for (name,) in columns)))
    return found


def _triggers(connection: sqlite3.Connection, table: str) -> tuple[Trigger, ...]:
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = lower(?) ORDER BY 1", (table,)
    ).fetchall()
    found = ((name, _EVENT.match(text)) for name, text in rows)
    return tuple(Trigger(name=name, events=(match[1].upper(),) if match else ()) for name, match in found)


def _foreign_keys(
    connection: sqlite3.Connection, table: str, names: dict[str, str], relations: dict[str, Relation]
) -> list[ForeignKey]:
    rows = connection.execute(
        'SELECT id, "table", "from", "to", on_delete FROM pragma_foreign_key_list(?) ORDER BY id, seq', (table,)
    ).fetchall()
    found: dict[int, list[tuple[str, str, str | None, str]]] = {}
    for number, parent, own, theirs, on_delete in rows:
        found.setdefault(number, []).append((parent, own, theirs, on_delete))
    keys = []
    for parts in found.values():
        parent = names.get(parts[0][0].lower())
        if parent is None:
            continue
        spelled = {field.name.lower(): field.name for field in relations[parent].fields}
        named = tuple(spelled.get(theirs.lower(), theirs) for _, _, theirs, _ in parts if theirs is not None)
        implied = next((key.columns for key in relations[parent].keys if key.primary), ())
        keys.append(
            ForeignKey(
                name=f"{table}.{','.join(own for _, own, _, _ in parts)}",
                table=table,
                columns=tuple(own for _, own, _, _ in parts),
                parent=parent,
                parent_columns=named or implied,
                deferrable=True,
                on_delete=parts[0][3],
            )
        )
    return keys
