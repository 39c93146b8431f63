"""Rows of PostgreSQL as lines of JSON that the server writes: what to ask for, so that every value comes back exactly.

What JSON and `to_json` carry exactly travels as what it is: booleans, numbers, texts, times in UTC, jsonb, and lists
for plain one-dimensional arrays. bytea becomes {"$bytes": BASE64}; NaN and the infinities of numbers {"$float": ...}
(the worker sees to that); a jsonb object that could be taken for one of these, and the null of jsonb, {"$json": ...}.
Everything else (json, whose text is kept letter by letter, composite types, arrays of other shapes) is a text as the
type's own output function writes it.

A JSON text has neither control characters nor line feeds, so COPY in csv form with two of them as quote and delimiter
gives it untouched (PostgreSQL manual, COPY, "CSV Format").
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from opsconsole.engines.postgresql.connect import Connection
from opsconsole.engines.postgresql.snapshot import DataTable

SETTINGS = {"row_security": "off", "client_encoding": "UTF8", "synchronize_seqscans": "off"}
SPECIAL = ("$bytes", "$text", "$float", "$json")  # the keys of lifecycle.documents.values
NOT_FINITE = ("NaN", "Infinity", "-Infinity")

_NUMBERS = frozenset({"numeric", "float4", "float8"})
_LISTED = frozenset(
    {"bool", "int2", "int4", "int8", "text", "varchar", "bpchar", "name", "uuid", "inet", "cidr", "date", "time"}
    | {"timetz", "timestamp", "timestamptz", "interval"}
    | _NUMBERS
)  # elements of arrays that a list shows as they are

_AS_IT_IS = "{column}"
_BYTES = (
    "CASE WHEN {column} IS NOT NULL THEN json_build_object('$bytes',"
    " translate(encode({column}, 'base64'), E'\\n', '')) END"
)
_JSONB = (
    "CASE WHEN jsonb_typeof({column}) = 'null' OR jsonb_typeof({column}) = 'object' AND {column} ?| {special}"
    " THEN jsonb_build_object('$json', {column}) ELSE {column} END"
)
_TEXT = "CASE WHEN {column} IS DISTINCT FROM NULL THEN format('%s', {column}) END"
_LIST = (
    "CASE WHEN array_ndims({column}) = 1 AND array_lower({column}, 1) = 1 OR cardinality({column}) = 0"
    " THEN to_json({column}) ELSE to_json(" + _TEXT + ") END"
)
_FORMS = {"bytea": _BYTES, "jsonb": _JSONB, "json": _TEXT, "int2vector": _TEXT, "oidvector": _TEXT}
_COPY = "COPY (SELECT row_to_json({row}) FROM (SELECT {columns} FROM ONLY {table} AS t) AS {row}) TO STDOUT "
_FORM = r"(FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')"


@dataclass(frozen=True, kw_only=True)
class JsonTable:
    """How to read one table. `types` are the server's words by column, `numbers` those that can be NaN or infinite."""

    table: DataTable
    statement: str
    types: Mapping[str, str]
    numbers: tuple[str, ...]

    def replacements(self) -> list[tuple[str, str]]:
        """What the worker replaces in the lines. Nothing but a value of the row itself is written without blanks."""
        keys = [json.dumps(name, ensure_ascii=False) for name in self.numbers]
        return [(f'{key}:"{word}"', f'{key}:{{"$float":"{word}"}}') for key in keys for word in NOT_FINITE]


def json_tables(session: Connection, tables: Sequence[DataTable]) -> list[JsonTable]:
    """How to read each table, in the same order."""
    known = _Types(session)
    rows = session.execute(
        "SELECT attrelid::bigint, attname::text, atttypid::bigint, format_type(atttypid, atttypmod)"
        " FROM pg_attribute WHERE attrelid = ANY(%s::oid[]) AND attnum > 0 AND NOT attisdropped",
        ([table.oid for table in tables],),
    ).fetchall()
    columns = {(relation, name): (kind, words) for relation, name, kind, words in rows}
    return [_json_table(table, columns, known) for table in tables]


def _json_table(table: DataTable, columns: Mapping[tuple[int, str], tuple[int, str]], known: _Types) -> JsonTable:
    found = {name: columns[table.oid, name] for name in table.columns}
    forms = [_selected(name, known.form(kind)) for name, (kind, _) in found.items()]
    statement = sql.SQL(_COPY).format(
        columns=sql.SQL(", ").join(forms),
        table=sql.Identifier(table.schema, table.name),
        row=sql.Identifier(_name_of_no(found)),
    ) + sql.SQL(_FORM)  # fmt: skip
    return JsonTable(
        table=table,
        statement=statement.as_string(None),
        types={name: known.words(kind, words) for name, (kind, words) in found.items()},
        numbers=tuple(name for name, (kind, _) in found.items() if known.is_number(kind)),
    )


def _name_of_no(columns: Mapping[str, object]) -> str:
    """A name that none of these columns has: a column would hide the row of that name."""
    name = "row"
    while name in columns:
        name += "_"
    return name


def _selected(name: str, form: str) -> sql.Composable:
    identifier = sql.Identifier(name)
    if form == _AS_IT_IS:
        return sql.SQL("t.{}").format(identifier)
    special = sql.Literal(list(SPECIAL)) + sql.SQL("::text[]")
    value = sql.SQL(form).format(column=sql.SQL("t.") + identifier, special=special)
    return value + sql.SQL(" AS ") + identifier


class _Types:
    """Every type of a database, and how its values become JSON."""

    def __init__(self, session: Connection) -> None:
        rows = session.execute(
            "SELECT t.oid::bigint, t.typname::text, n.nspname = 'pg_catalog', t.typtype::text, t.typbasetype::bigint,"
            " CASE WHEN t.typcategory = 'A' THEN t.typelem::bigint ELSE 0 END,"
            " EXISTS (SELECT FROM pg_cast WHERE castsource = t.oid AND casttarget = 'pg_catalog.json'::regtype)"
            " FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
        ).fetchall()
        self._rows = {row[0]: row[1:] for row in rows}

    def form(self, oid: int) -> str:
        """The expression for a column of that type; a domain goes by what it is made of."""
        name, system, kind, element, has_cast = self._base(oid)
        if system and name in _FORMS:
            return _FORMS[name]
        if element:
            return _LIST if self._listed(element) else _TEXT
        if system:
            return _AS_IT_IS
        return _TEXT if kind == "c" or has_cast else _AS_IT_IS

    def words(self, oid: int, words: str) -> str:
        """What a column's type is called. json goes by another name, since its values are the text of it here."""
        name, system, *_ = self._base(oid)
        return f"{words} (as text)" if system and name == "json" else words

    def is_number(self, oid: int) -> bool:
        name, system, *_ = self._base(oid)
        return system and name in _NUMBERS

    def _base(self, oid: int) -> tuple[str, bool, str, int, bool]:
        name, system, kind, base, element, has_cast = self._rows[oid]
        return self._base(base) if kind == "d" else (name, system, kind, element, has_cast)

    def _listed(self, oid: int) -> bool:
        name, system, kind, element, has_cast = self._base(oid)
        return not element and ((kind == "e" and not has_cast) or (system and name in _LISTED))
