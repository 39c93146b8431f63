"""Setting single rows of an SQLite database right.

What a row holds are its stored cells, as `probe.digest` writes them. A key's columns, and what columns get, are
literals of SQLite's own making. Rows change one by one; nobody else writes meanwhile.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from opsconsole.engines.fixing import FIXED, Aim, Fixing, Image, Kept, Key, Wording, key_of
from opsconsole.engines.sqlite import probe, staging
from opsconsole.engines.sqlite.cells import values_of
from opsconsole.engines.sqlite.connections import explained, writing
from opsconsole.engines.sqlite.files import Spot
from opsconsole.engines.structure import Field, Relation
from opsconsole.exceptions import OperationFailed

NOTHING = "Nothing was changed."
_DIGEST = "opsconsole_digest"
_LITERAL = re.compile(
    r"NULL|-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|'(?:[^']|'')*'|X'[0-9A-F]*'|CAST\(X'[0-9A-F]*' AS TEXT\)", re.IGNORECASE
)
# quote() ends at a NUL and knows no infinity; and what is no UTF-8 would arrive here as another text
_LITERAL_OF = (
    "CASE WHEN typeof({0}) = 'text' AND ({0} GLOB '*[^ -~]*' OR instr({0}, char(0)) > 0)"
    " THEN 'CAST(X''' || hex({0}) || ''' AS TEXT)'"
    " WHEN typeof({0}) = 'real' AND abs({0}) = 9e999 THEN CASE WHEN {0} > 0 THEN '9e999' ELSE '-9e999' END"
    " ELSE quote({0}) END"
)
_TRIGGERS = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = lower({}) ORDER BY rowid"


class SqliteWording(Wording):
    vendor: ClassVar[str] = "sqlite"

    def column(self, name: str, alias: str) -> str:
        quoted = f"{alias}.{probe.quoted(name)}"
        return f"CASE WHEN {quoted} IS NOT NULL THEN {_LITERAL_OF.format(quoted)} END"

    def content(self, relation: Relation) -> str:
        return "CAST(" + "||'|'||".join(map(probe.cell, _stored(relation))) + " AS BLOB)"

    def value(self, expression: str, field: Field) -> str:
        return f"(SELECT {_LITERAL_OF.format('v')} FROM (SELECT ({expression}) AS v))"

    def any_of(self, relation: Relation, keys: Sequence[Key], alias: str) -> str:
        columns = ", ".join(f"{alias}.{probe.quoted(name)}" for name in key_of(relation))
        if len(key_of(relation)) == 1:
            return f"{columns} IN ({', '.join(key[0] for key in keys)})"
        return f"({columns}) IN (VALUES {', '.join('(' + ', '.join(key) + ')' for key in keys)})"

    def statement(self, relation: Relation, columns: Sequence[str], *, delete: bool) -> str:
        where = " AND ".join(f"{probe.quoted(name)} IS ?" for name in key_of(relation))
        where = f"WHERE {where}\n  AND {_DIGEST}({self.content(relation)}) = ?"
        if delete:
            return f"DELETE FROM {probe.quoted(relation.name)}\n{where}"
        gets = ", ".join(f"{probe.quoted(name)} = ?" for name in columns)
        return f"UPDATE {probe.quoted(relation.name)} SET {gets}\n{where}"

    def content_of(self, raw: Any) -> bytes:
        return bytes(raw)

    def held(self, relation: Relation, content: bytes) -> dict[str, Any]:
        return dict(zip(_stored(relation), values_of(content), strict=True))

    def kept_in(self, home: str) -> str:
        return FIXED

    def is_ours(self, home: str) -> str:
        return f"SELECT type = 'table' FROM sqlite_schema WHERE name = '{FIXED}'"

    def shown(self, value: str | None) -> Any:
        return _value(value)

    def is_sound(self, value: str | None) -> bool:
        if value is None or not _LITERAL.fullmatch(value):
            return False
        try:
            _value(value)
        except UnicodeDecodeError:
            return False
        return True


class SqliteFixing(Fixing):
    def __init__(
        self, connection: sqlite3.Connection, tables: Sequence[Relation], identity: str, enforced: bool
    ) -> None:
        self._connection, self._tables, self._identity = connection, tables if enforced else (), identity
        self._wording = SqliteWording()
        self._orphans = self._count_orphans()

    def images(self, relation: Relation, keys: Sequence[Key]) -> list[Image]:
        listed = ", ".join(self._wording.column(name, "t") for name in key_of(relation))
        rows = self._connection.execute(
            f"SELECT {listed}, {self._wording.content(relation)} FROM {probe.quoted(relation.name)} AS t"
            f" WHERE {self._wording.any_of(relation, keys, 't')}"
        ).fetchall()
        return [Image(key=tuple(key), content=self._wording.content_of(content)) for *key, content in rows]

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()

    def delete(self, relation: Relation, aims: Sequence[Aim]) -> int:
        statement = self._wording.statement(relation, (), delete=True)
        return self._each(relation, statement, [[*map(_value, aim.key), aim.digest] for aim in aims])

    def update(self, relation: Relation, columns: Sequence[str], aims: Sequence[Aim]) -> int:
        statement = self._wording.statement(relation, columns, delete=False)
        given = [[*map(_value, aim.values), *map(_value, aim.key), aim.digest] for aim in aims]
        return self._each(relation, statement, given)

    def unlike(self, relation: Relation, columns: Sequence[str], aims: Sequence[Aim]) -> int:
        where = " AND ".join(f"{probe.quoted(name)} IS ?" for name in (*key_of(relation), *columns))
        statement = f"SELECT count(*) FROM {probe.quoted(relation.name)} WHERE {where}"
        return sum(
            not self._connection.execute(statement, [*map(_value, aim.key), *map(_value, aim.values)]).fetchone()[0]
            for aim in aims
        )

    def insert(self, relation: Relation, contents: Sequence[bytes]) -> int:
        names = _stored(relation)
        listed, marks = ", ".join(map(probe.quoted, names)), ", ".join("?" * len(names))
        statement = f"INSERT INTO {probe.quoted(relation.name)} ({listed}) VALUES ({marks})"
        return self._each(relation, statement, list(map(values_of, contents)))

    def put_back(self, relation: Relation, aims: Sequence[Aim], contents: Sequence[bytes]) -> int:
        names = _stored(relation)
        places = [n for n, name in enumerate(names) if name not in key_of(relation)]
        statement = self._wording.statement(relation, [names[n] for n in places], delete=False)
        given = []
        for aim, content in zip(aims, contents, strict=True):
            held = values_of(content)
            given.append([*(held[n] for n in places), *map(_value, aim.key), aim.digest])
        return self._each(relation, statement, given)

    def keep(self, operation_id: int, kept: Sequence[Kept]) -> None:
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {FIXED} (operation INTEGER, part INTEGER, place INTEGER,"
            " sealed TEXT NOT NULL, PRIMARY KEY (operation, part, place))"
        )
        rows = [(operation_id, each.part, each.place, each.sealed) for each in kept]
        self._connection.executemany(f"INSERT INTO {FIXED} VALUES (?, ?, ?, ?)", rows)

    def forget(self, operation_id: int) -> None:
        if FIXED in probe.table_names(self._connection, hidden=True):
            self._connection.execute(f"DELETE FROM {FIXED} WHERE operation = ?", (operation_id,))
            if not self.ask(f"SELECT 1 FROM {FIXED} LIMIT 1"):
                self._connection.execute(f"DROP TABLE {FIXED}")

    @contextmanager
    def quiet(self, relation: Relation) -> Iterator[None]:
        """All of its triggers go and come again in their order, in which they fire."""
        found = self.ask(_TRIGGERS.format(_text(relation.name)))
        for name, _ in found:
            self._connection.execute(f"DROP TRIGGER {probe.quoted(name)}")
        yield
        for _, text in found:
            self._connection.execute(text)
        if self.ask(_TRIGGERS.format(_text(relation.name))) != found:
            raise OperationFailed("trigger_differs", f"Triggers of {relation.name} would be others.", NOTHING)

    def hasten(self) -> None:
        """Nothing waits but foreign keys, which `settle` counts."""

    def settle(self) -> None:
        if (orphans := self._count_orphans()) > self._orphans:
            raise OperationFailed(
                "foreign_key",
                f"{orphans - self._orphans} rows would refer to rows that are not there.",
                f"{NOTHING} Set those rows right first, then ask again.",
            )

    def witness(self, operation_id: int, fence: int) -> Mapping[str, Any]:
        token = secrets.token_hex(16)
        staging.mark_beside(self._connection, operation_id, fence, token)
        return {"identity": self._identity, "token": token}

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def _each(self, relation: Relation, statement: str, given: Sequence[Sequence[Any]]) -> int:
        try:
            return self._connection.executemany(statement, given).rowcount if given else 0
        except sqlite3.IntegrityError as error:
            foreign = error.sqlite_errorname == "SQLITE_CONSTRAINT_FOREIGNKEY"
            raise OperationFailed(
                "foreign_key" if foreign else "conflict",
                f"Rows of {relation.name} would break a rule of the table ({error}).",
                f"{NOTHING} Look at the rows, then ask again.",
            ) from error

    def _count_orphans(self) -> int:
        checks = (f"PRAGMA foreign_key_check({probe.quoted(table.name)})" for table in self._tables)
        return sum(1 for check in checks for _ in self._connection.execute(check))


@contextmanager
def opened(spot: Spot, tables: Sequence[Relation], identity: str, *, enforced: bool) -> Iterator[SqliteFixing]:
    """The transaction of a writer, in which references are enforced or not; rolled back unless committed."""
    with writing(spot, foreign_keys=enforced) as connection:
        connection.create_function(_DIGEST, 1, _digest, deterministic=True)
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("PRAGMA defer_foreign_keys=ON")
            yield SqliteFixing(connection, tables, identity, enforced)
        except sqlite3.Error as error:
            raise explained(error, spot.path) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _stored(relation: Relation) -> list[str]:
    return [field.name for field in relation.fields if not field.generated]


def _text(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"


def _value(literal: str | None) -> Any:
    """What a literal stands for."""
    if literal is None or literal == "NULL":
        return None
    if literal[:5] == "CAST(":
        return bytes.fromhex(literal[7:-10]).decode()
    if literal[:1] == "'":
        return literal[1:-1].replace("''", "'")
    if literal[:2] in ("X'", "x'"):
        return bytes.fromhex(literal[2:-1])
    return int(literal) if re.fullmatch(r"-?\d+", literal) else float(literal)
