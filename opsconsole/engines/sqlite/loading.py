"""Rows from outside into tables of a file that is in use, in the caller's transaction; single ones can be refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from opsconsole.engines.sqlite.affinity import affinity
from opsconsole.engines.sqlite.probe import quoted
from opsconsole.engines.structure import ForeignKey, Relation
from opsconsole.exceptions import OperationFailed
from opsconsole.masking import mask_text

BATCH_ROWS, BATCH_BYTES = 1000, 4 << 20
Connection = sqlite3.Connection
Refuse = Callable[[int, Exception], None]
Values = Sequence[Any]


@dataclass(frozen=True)
class Text:
    """The bytes of a text that is not UTF-8."""

    raw: bytes


@dataclass(frozen=True)
class Staged:
    """A temporary table with the rows of one table of a document: number, shape, values."""

    name: str
    relation: Relation
    columns: tuple[str, ...]

    def place(self, column: str) -> str:
        return f"c{self.columns.index(column)}"


def clear(connection: Connection, tables: Iterable[str]) -> None:
    """Empty tables, which come children first."""
    for table in tables:
        connection.execute(f"DELETE FROM {quoted(table)}")


def check_later(connection: Connection, wanted: bool) -> None:
    """Have references checked at the end of the transaction rather than row by row, or the other way round."""
    connection.execute(f"PRAGMA defer_foreign_keys={'ON' if wanted else 'OFF'}")


def insert(
    connection: Connection, table: str, rows: Iterable[tuple[int, tuple[str, ...], Values]], refuse: Refuse
) -> int:
    """INSERT rows as they come: (number, columns, values); gives back how many were written.

    A row that the database refuses is told to `refuse`, which may raise.
    """
    written = 0
    for (columns, marks), some in groupby(rows, key=lambda row: (row[1], _marks(row[2]))):
        sql = f"INSERT OR ABORT INTO {quoted(table)} {_listed(columns)} VALUES ({marks})"
        for batch in _batches((number, list(map(_bound, values))) for number, _, values in some):
            written += _insert_batch(connection, sql if columns else _empty(table), batch, refuse)
    return written


def stage(connection: Connection, relation: Relation, columns: Sequence[str], number: int) -> Staged:
    """Make a temporary table whose columns take values as the table's own do."""
    made = Staged(f"_opsconsole_load_{number}", relation, tuple(columns))
    kinds = "".join(f", c{place} {affinity(relation.field(name).type)}" for place, name in enumerate(columns))
    connection.execute(f"CREATE TEMP TABLE {made.name} (row INTEGER PRIMARY KEY, shape INTEGER{kinds})")
    return made


def drop(connection: Connection, staged: Staged) -> None:
    connection.execute(f"DROP TABLE temp.{staged.name}")


def keep(connection: Connection, staged: Staged, rows: Iterable[tuple[int, int, Values]]) -> None:
    """Put (number, shape, values) into a temporary table."""
    for number, shape, values in rows:
        marks = f", {_marks(values)}" if values else ""
        sql = f"INSERT INTO temp.{staged.name} VALUES (?, ?{marks})"
        connection.execute(sql, (number, shape, *map(_bound, values)))


def insert_staged(
    connection: Connection, staged: Staged, shapes: Sequence[tuple[int, tuple[str, ...]]],
    key: Sequence[str], refuse: Refuse, tick: Callable[[], None],
) -> int:  # fmt: skip
    """INSERT staged rows; with a `key`, rows that are there are updated instead. Gives back how many were written.

    `tick` is called now and then, and may raise.
    """
    statements = [_from_stage(staged, shape, columns, key) for shape, columns in shapes]
    (last,) = connection.execute(f"SELECT coalesce(max(row), 0) FROM temp.{staged.name}").fetchone()
    written = 0
    for first in range(1, last + 1, BATCH_ROWS):
        tick()
        try:
            with _Savepoint(connection):
                end = first + BATCH_ROWS - 1
                written_here = sum(connection.execute(sql, (first, end)).rowcount for sql in statements)
            written += written_here
        except (sqlite3.IntegrityError, sqlite3.DataError):
            written += _one_by_one(connection, staged, statements, first, refuse)
    return written


def doubled(connection: Connection, staged: Staged, key: Sequence[str]) -> list[tuple[int, int]]:
    """(row, the first row with the same key) of rows whose key stands in the same document twice."""
    listed = ", ".join(staged.place(name) for name in key)
    return connection.execute(
        f"SELECT row, first FROM (SELECT row, min(row) OVER (PARTITION BY {listed}) AS first FROM temp.{staged.name})"
        " WHERE row <> first ORDER BY row"
    ).fetchall()


def orphans(connection: Connection, staged: Staged, key: ForeignKey, parents: Sequence[Staged]) -> list[int]:
    """Rows whose parent by `key` is neither in the table that it is looked for in, nor about to come into it."""
    own = [f"s.{staged.place(column)}" for column in key.columns]
    places = [(quoted(key.parent), [f"p.{quoted(name)}" for name in key.parent_columns])]
    places += [(f"temp.{p.name}", [f"p.{p.place(name)}" for name in key.parent_columns]) for p in parents]
    lacking = "".join(
        f" AND NOT EXISTS (SELECT 1 FROM {place} p WHERE {' AND '.join(map(' = '.join, zip(names, own, strict=True)))})"
        for place, names in places
    )
    given = " AND ".join(f"{name} IS NOT NULL" for name in own)
    found = connection.execute(f"SELECT s.row FROM temp.{staged.name} s WHERE {given}{lacking} ORDER BY 1")
    return [row for (row,) in found]


def forget(connection: Connection, staged: Staged, rows: Iterable[int]) -> None:
    """Take rows out of a temporary table."""
    connection.executemany(f"DELETE FROM temp.{staged.name} WHERE row = ?", [(row,) for row in rows])


def beside(
    connection: Connection, table: str, columns: Sequence[str], key: Sequence[str], rows: Iterable[Values]
) -> tuple[int, int]:
    """Of rows: how many the table has by key, and how many of these say something else there."""
    found = changed = 0
    places = [columns.index(name) for name in key]
    for values in rows:
        where = " AND ".join(
            f"{quoted(name)} = {_marks([values[place]])}" for name, place in zip(key, places, strict=True)
        )
        same = " AND ".join(f"{quoted(name)} IS {_marks([value])}" for name, value in zip(columns, values, strict=True))
        sql = f"SELECT {same} FROM {quoted(table)} WHERE {where}"
        given = [*map(_bound, values), *(_bound(values[place]) for place in places)]
        row = connection.execute(sql, given).fetchone()
        found += row is not None
        changed += row == (0,)
    return found, changed


def newest(connection: Connection, table: str, column: str) -> object:
    """The largest value of a column."""
    return connection.execute(f"SELECT max({quoted(column)}) FROM {quoted(table)}").fetchone()[0]


def violations(connection: Connection, tables: Iterable[str]) -> int:
    """Rows of tables that refer to something that is not there."""
    return sum(
        int(connection.execute("SELECT count(*) FROM pragma_foreign_key_check(?)", (table,)).fetchone()[0])
        for table in tables
    )


def why(error: Exception, *, discreet: bool) -> str:
    """Why a row was refused. SQLite's words name columns and rules, never values; what a trigger says is its author's,
    and left out where it has to be `discreet`."""
    if discreet and getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
        return "a trigger refused it"
    return mask_text(str(error))


def analyze(connection: Connection, tables: Iterable[str]) -> None:
    """Statistics for the planner, where the file has some already."""
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'").fetchone():
        for table in tables:
            connection.execute(f"ANALYZE {quoted(table)}")


class _Savepoint:
    """What is done in it is undone when it ends with an error; the transaction goes on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("SAVEPOINT load")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if not self._connection.in_transaction:
            if not isinstance(error, sqlite3.IntegrityError):
                return
            raise OperationFailed(
                "rolled_back",
                "A trigger or a rule of a table rolled the whole transaction back.",
                "Nothing was changed. Look at the ROLLBACK in the schema, then ask again.",
            ) from error
        if kind is not None:
            self._connection.execute("ROLLBACK TO load")
        self._connection.execute("RELEASE load")


def _insert_batch(connection: Connection, sql: str, batch: list[tuple[int, list[Any]]], refuse: Refuse) -> int:
    try:
        with _Savepoint(connection):
            return connection.executemany(sql, [values for _, values in batch]).rowcount
    except (sqlite3.IntegrityError, sqlite3.DataError):
        pass
    return sum(_insert_one(connection, sql, values, number, refuse) for number, values in batch)


def _one_by_one(connection: Connection, staged: Staged, statements: Sequence[str], first: int, refuse: Refuse) -> int:
    sql = f"SELECT row FROM temp.{staged.name} WHERE row BETWEEN ? AND ? ORDER BY row"
    rows = connection.execute(sql, (first, first + BATCH_ROWS - 1)).fetchall()
    return sum(
        _insert_one(connection, statement, (row, row), row, refuse) for (row,) in rows for statement in statements
    )


def _insert_one(connection: Connection, sql: str, values: Sequence[Any], number: int, refuse: Refuse) -> int:
    try:
        with _Savepoint(connection):
            return connection.execute(sql, values).rowcount
    except (sqlite3.IntegrityError, sqlite3.DataError) as error:
        refuse(number, error)
        return 0


def _from_stage(staged: Staged, shape: int, columns: Sequence[str], key: Sequence[str]) -> str:
    changes = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in columns if name not in key)
    conflict = f" ON CONFLICT {_listed(key)} DO {f'UPDATE SET {changes}' if changes else 'NOTHING'}" if key else ""
    return (
        f"INSERT OR ABORT INTO {quoted(staged.relation.name)} {_listed(columns)}"
        f" SELECT {', '.join(map(staged.place, columns))} FROM temp.{staged.name}"
        f" WHERE shape = {shape} AND row BETWEEN ? AND ? ORDER BY row{conflict}"
    )


def _empty(table: str) -> str:
    return f"INSERT OR ABORT INTO {quoted(table)} DEFAULT VALUES"


def _listed(columns: Sequence[str]) -> str:
    return f"({', '.join(map(quoted, columns))})"


def _marks(values: Values) -> str:
    return ", ".join("CAST(? AS TEXT)" if isinstance(value, Text) else "?" for value in values)


def _bound(value: Any) -> Any:
    return value.raw if isinstance(value, Text) else value


def _batches(rows: Iterator[tuple[int, list[Any]]]) -> Iterator[list[tuple[int, list[Any]]]]:
    """Rows in lists that stay small in memory, however large single rows are."""
    batch: list[tuple[int, list[Any]]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(value) for value in row[1] if isinstance(value, str | bytes))
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
