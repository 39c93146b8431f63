"""Setting single rows of a PostgreSQL database right.

What a row holds is the text of the whole row as the server writes it under the settings of our sessions, and that is
also the form in which it is put back. Rows are joined with arrays of keys, so that a key's index finds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import psycopg

from opsconsole.engines.fixing import FIXED, Aim, Fixing, Image, Kept, Key, Wording, key_of
from opsconsole.engines.postgresql import in_place, loosening, quieting
from opsconsole.engines.postgresql.connect import Connection, Connector
from opsconsole.engines.structure import Field, ForeignKey, Relation
from opsconsole.exceptions import OperationFailed

MODE = "SHARE ROW EXCLUSIVE"  # readers go on, writers wait
CODE = "fix_failed"
NOTHING = "Nothing was changed."
_GIVEN = "\0"  # where a value is bound; no name can hold it
_CONTENT = "ROW(t.*)::text"  # not t::text: a column may be called t
_DIGEST = f"encode(sha256(convert_to({_CONTENT}, 'UTF8')), 'hex')"
_PIECE = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^,]*))(,|\Z)')  # of a row as text; what is empty is NULL

_IS_OURS = (
    "SELECT c.relkind = 'r' AND NOT c.relhastriggers AND NOT c.relhasrules AND NOT c.relhassubclass"
    " AND (o.rolname = current_user OR o.rolsuper) AND NOT EXISTS (SELECT 1 FROM pg_attrdef d"
    "  WHERE d.adrelid = c.oid) AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid"
    "  AND NOT i.indisprimary) AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conrelid = c.oid"
    "  AND k.contype = 'c') FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner WHERE c.oid = to_regclass({})"
)


class PostgresWording(Wording):
    vendor: ClassVar[str] = "postgresql"

    def column(self, name: str, alias: str) -> str:
        return f"{alias}.{_quoted(name)}::text"

    def content(self, relation: Relation) -> str:
        return _CONTENT

    def value(self, expression: str, field: Field) -> str:
        # a cast to a length would cut texts and bits, which are refused when they are written; numbers are rounded then
        kind = field.bare if field.family in ("text", "array", "other") else field.type
        return f"CAST(({expression}) AS {kind})::text"

    def any_of(self, relation: Relation, keys: Sequence[Key], alias: str) -> str:
        names = key_of(relation)
        columns = ", ".join(f"{alias}.{_quoted(name)}" for name in names)
        types = [relation.field(name).bare for name in names]
        rows = [", ".join(f"{_literal(text)}::{kind}" for text, kind in zip(key, types, strict=True)) for key in keys]
        if len(names) == 1:
            return f"{columns} IN ({', '.join(rows)})"
        return f"({columns}) IN ({', '.join(f'({row})' for row in rows)})"

    def statement(self, relation: Relation, columns: Sequence[str], *, delete: bool) -> str:
        return _statement(relation, columns, delete).replace(_GIVEN, "?")

    def content_of(self, raw: Any) -> bytes:
        return str(raw).encode()

    def held(self, relation: Relation, content: bytes) -> dict[str, Any]:
        return dict(zip([field.name for field in relation.fields], _taken_apart(content.decode()), strict=True))

    def kept_in(self, home: str) -> str:
        return _quoted(home, FIXED)

    def is_ours(self, home: str) -> str:
        return _IS_OURS.format(_literal(_quoted(home, FIXED)))

    def is_sound(self, value: str | None) -> bool:
        return True  # it is only ever bound


class PostgresFixing(Fixing):
    def __init__(self, session: Connection, home: str, loose: Sequence[ForeignKey]) -> None:
        self._session, self._table = session, _quoted(home, FIXED)
        self._wording = PostgresWording()
        self._again = loosening.loosened(session, loose) if loose else []

    def images(self, relation: Relation, keys: Sequence[Key]) -> list[Image]:
        listed = ", ".join(self._wording.column(name, "t") for name in key_of(relation))
        rows = self._session.execute(
            f"SELECT {listed}, {_CONTENT} FROM {_name(relation)} AS t"
            f" WHERE {self._wording.any_of(relation, keys, 't')} FOR UPDATE OF t".encode()
        ).fetchall()  # nothing is bound, so that a percent sign is one
        return [Image(key=tuple(key), content=self._wording.content_of(content)) for *key, content in rows]

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self._session.execute(sql.encode()).fetchall()

    def delete(self, relation: Relation, aims: Sequence[Aim]) -> int:
        return self._change(relation, (), aims, delete=True)

    def update(self, relation: Relation, columns: Sequence[str], aims: Sequence[Aim]) -> int:
        return self._change(relation, columns, aims, delete=False)

    def unlike(self, relation: Relation, columns: Sequence[str], aims: Sequence[Aim]) -> int:
        keys, values = _keys(relation), _values(columns)
        other = [
            f"t.{_quoted(column)}::text IS DISTINCT FROM k.{value}::{relation.field(column).type}::text"
            for column, value in zip(columns, values, strict=True)
        ]
        given = [*_columns([aim.key for aim in aims], len(keys)), *_columns([aim.values for aim in aims], len(values))]
        return self._bound(
            f"SELECT 1 FROM unnest({_arrays(len(given))}) AS k({', '.join([*keys, *values])})"
            f" LEFT JOIN {_name(relation)} AS t ON {_matches(relation, 'k')}"
            f" WHERE {' OR '.join([f't.{_quoted(key_of(relation)[0])} IS NULL', *other])}",
            given,
        )

    def insert(self, relation: Relation, contents: Sequence[bytes]) -> int:
        listed = ", ".join(_quoted(name) for name in _written(relation))
        taken = ", ".join(f"(r.whole).{_quoted(name)}" for name in _written(relation))
        return self._run(
            relation,
            f"INSERT INTO {_name(relation)} ({listed}) OVERRIDING SYSTEM VALUE SELECT {taken} FROM (SELECT"
            f" CAST(given.held AS {_name(relation)}) AS whole FROM unnest({_arrays(1)}) AS given(held) OFFSET 0) AS r",
            [[content.decode() for content in contents]],
        )

    def put_back(self, relation: Relation, aims: Sequence[Aim], contents: Sequence[bytes]) -> int:
        key, names = key_of(relation), []
        for field in relation.fields:
            if not field.generated and field.name not in key and field.identity != "always":
                names.append(_quoted(field.name))
        listed, taken = ", ".join(names), ", ".join(f"(r.whole).{name}" for name in names)
        given = ", ".join(f"k{n}" for n in range(len(key)))
        return self._run(
            relation,
            f"UPDATE {_name(relation)} AS t SET ({listed}) = ROW({taken}) FROM (SELECT {given}, digest,"
            f" CAST(given.held AS {_name(relation)}) AS whole FROM unnest({_arrays(len(key) + 2)})"
            f" AS given({given}, digest, held) OFFSET 0) AS r WHERE {_matches(relation, 'r')} AND {_DIGEST} = r.digest",
            [*_columns([aim.key for aim in aims], len(key)), [aim.digest for aim in aims],
             [content.decode() for content in contents]],
        )  # fmt: skip

    def keep(self, operation_id: int, kept: Sequence[Kept]) -> None:
        self._session.execute(
            f"CREATE TABLE IF NOT EXISTS {self._table} (operation bigint, part integer, place integer,"
            " sealed text NOT NULL, PRIMARY KEY (operation, part, place))".encode()
        )
        _refuse_foreign(self._session, self._table)
        self._bound(
            f"INSERT INTO {self._table} SELECT {_GIVEN}, *"
            f" FROM unnest({_GIVEN}::int[], {_GIVEN}::int[], {_GIVEN}::text[])",
            (operation_id, [k.part for k in kept], [k.place for k in kept], [k.sealed for k in kept]),
        )

    def forget(self, operation_id: int) -> None:
        found = self._session.execute("SELECT to_regclass(%s) IS NOT NULL", (self._table,)).fetchone()
        if found and found[0]:
            _refuse_foreign(self._session, self._table)
            self._bound(f"DELETE FROM {self._table} WHERE operation = {_GIVEN}", (operation_id,))
            if not self.ask(f"SELECT 1 FROM {self._table} LIMIT 1"):
                self._session.execute(f"DROP TABLE {self._table}".encode())

    def quiet(self, relation: Relation) -> AbstractContextManager[None]:
        return quieting.quiet(self._session, relation)

    def hasten(self) -> None:
        with _explained("these tables"):
            self._session.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def settle(self) -> None:
        self.hasten()
        for statement in self._again:
            self._session.execute(statement.encode())
        self._again = []

    def witness(self, operation_id: int, fence: int) -> Mapping[str, Any]:
        return in_place.own_number(self._session)

    def commit(self) -> None:
        in_place.commit(self._session)

    def _change(self, relation: Relation, columns: Sequence[str], aims: Sequence[Aim], *, delete: bool) -> int:
        given = [
            *_columns([aim.key for aim in aims], len(key_of(relation))),
            [aim.digest for aim in aims],
            *_columns([aim.values for aim in aims], len(columns)),
        ]
        return self._run(relation, _statement(relation, columns, delete), given)

    def _run(self, relation: Relation, statement: str, given: Sequence[Any]) -> int:
        with _explained(relation.full_name):
            return self._bound(statement, given)

    def _bound(self, statement: str, given: Sequence[Any]) -> int:
        text = statement.replace("%", "%%").replace(_GIVEN, "%s")
        return self._session.execute(text.encode(), given).rowcount


def _statement(relation: Relation, columns: Sequence[str], delete: bool) -> str:
    """Delete or change the rows whose keys and digests are bound as arrays."""
    names = (*_keys(relation), "digest", *_values(columns))
    approved = f"WITH approved AS (SELECT * FROM unnest({_arrays(len(names))}) AS k({', '.join(names)}))"
    return f"{approved}\n{_body(relation, columns, delete)}"


def _refuse_foreign(session: Connection, table: str) -> None:
    """Raise OperationFailed when somebody else made the table of that name: its triggers would run with our rights."""
    row = session.execute(_IS_OURS.format(_literal(table)).encode()).fetchone()
    if not (row and row[0]):
        raise OperationFailed(
            "not_ours",
            f"Somebody else made {table}, or changed it, where the console keeps what rows held.",
            f"{NOTHING} Look who may create tables in that schema, and move this one away.",
        )


def _body(relation: Relation, columns: Sequence[str], delete: bool) -> str:
    where = f"WHERE {_matches(relation, 'k')}\n  AND {_DIGEST} = k.digest"
    if delete:
        return f"DELETE FROM {_name(relation)} AS t USING approved AS k\n{where}"
    gets = [
        f"{_quoted(column)} = k.{value}::{relation.field(column).bare}"
        for column, value in zip(columns, _values(columns), strict=True)
    ]
    return f"UPDATE {_name(relation)} AS t SET {', '.join(gets)}\nFROM approved AS k\n{where}"


def _matches(relation: Relation, alias: str) -> str:
    return " AND ".join(
        f"t.{_quoted(name)} = {alias}.{key}::{relation.field(name).bare}"
        for name, key in zip(key_of(relation), _keys(relation), strict=True)
    )


def _arrays(number: int) -> str:
    return ", ".join([f"{_GIVEN}::text[]"] * number)


def _keys(relation: Relation) -> list[str]:
    return [f"k{n}" for n in range(len(key_of(relation)))]


def _values(columns: Sequence[str]) -> list[str]:
    return [f"v{n}" for n in range(len(columns))]


def _columns(rows: Sequence[Sequence[str | None]], width: int) -> list[list[str | None]]:
    return [[row[n] for row in rows] for n in range(width)]


def _written(relation: Relation) -> list[str]:
    return [field.name for field in relation.fields if not field.generated]


def _quoted(*names: str) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def _name(relation: Relation) -> str:
    return _quoted(relation.schema, relation.name)


def _literal(text: str) -> str:
    plain = "'" + text.replace("'", "''") + "'"
    return "E" + plain.replace("\\", "\\\\") if "\\" in text else plain


def _taken_apart(row: str) -> list[str | None]:
    """The texts of a row's columns, None for NULL, of the text of a whole row."""
    found: list[str | None] = []
    for piece in _PIECE.finditer(row[1:-1]):
        quoted, plain, after = piece.groups()
        found.append(plain or None if quoted is None else re.sub(r'(["\\])\1', r"\1", quoted))
        if not after:
            break
    return found


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.ForeignKeyViolation as error:
        raise OperationFailed(
            "foreign_key",
            f"Rows of {what} are referred to, or refer to rows that are not there ({error.diag.constraint_name}).",
            f"{NOTHING} Set those rows right first, then ask again.",
        ) from error
    except psycopg.errors.IntegrityError as error:
        raise OperationFailed(
            "conflict",
            f"Rows of {what} would break a rule of the table ({error.diag.constraint_name or error.sqlstate}).",
            f"{NOTHING} Look at the rows, then ask again.",
        ) from error


@contextmanager
def opened(
    connector: Connector, tables: Sequence[Relation], home: str, loose: Sequence[ForeignKey]
) -> Iterator[PostgresFixing]:
    """The transaction, with the tables locked. Raises OperationFailed when they stay locked by others."""
    places = [(table.schema, table.name) for table in tables]
    with in_place.transaction(connector, places, mode=MODE, code=CODE) as session:
        yield PostgresFixing(session, home, loose)
