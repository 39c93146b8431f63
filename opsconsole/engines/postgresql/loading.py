"""Rows from outside into tables that are in use: COPY straight in, or into a temporary table and from there by key.

Everything happens in the caller's transaction. Nothing here needs more than the rights on the tables themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import pq, sql

from opsconsole.engines.postgresql.complaints import is_of_data
from opsconsole.engines.postgresql.connect import Connection
from opsconsole.engines.structure import Relation, Structure

RANGE = 20_000  # rows that are tried at once where single ones may be refused
BLOCK = 1 << 16  # bytes
Range = tuple[int, int]  # the first and the last row
Statements = Callable[[Range], Sequence[sql.Composed]]


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A temporary table with the rows of one table: their number, which columns they name, and the values."""

    name: sql.Identifier
    relation: Relation
    columns: tuple[str, ...]
    typed: bool = True

    def place(self, column: str) -> sql.Composable:
        """What a row has for a column of the table, in the type of that."""
        at = sql.Identifier("s", f"c{self.columns.index(column)}")
        return at if self.typed else sql.SQL("{}::{}").format(at, sql.SQL(self.relation.field(column).bare))


@contextmanager
def applied(session: Connection) -> Iterator[None]:
    """A savepoint in which names are looked up as the application's own sessions do, for triggers that rely on it."""
    with session.transaction():
        session.execute("SET LOCAL search_path TO DEFAULT")
        yield
        session.execute("SET LOCAL search_path TO ''")


def check_now(session: Connection, structure: Structure) -> None:
    """Have references checked with each statement, also those that would wait for the end. Deferred triggers do wait:
    they may be about rows that are yet to come."""
    waiting = [key for key in structure.foreign_keys if key.deferrable]
    if waiting:
        names = (sql.Identifier(structure.relations[key.table].schema, key.name) for key in waiting)
        session.execute(sql.SQL("SET CONSTRAINTS {} IMMEDIATE").format(sql.SQL(", ").join(names)))


def clear(session: Connection, relations: Sequence[Relation], *, truncates: bool) -> None:
    """Empty exactly these tables in one statement, so that rows which refer to one another go together."""
    if truncates:
        session.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(map(only, relations))))
        return
    named = (
        sql.SQL("{} AS (DELETE FROM {})").format(sql.Identifier(f"w{place}"), only(relation))
        for place, relation in enumerate(relations)
    )
    session.execute(sql.SQL("WITH {} SELECT").format(sql.SQL(", ").join(named)))


def copy_in(session: Connection, statement: sql.Composable, lines: Iterable[bytes]) -> int:
    """COPY lines of its text form in; gives back the rows. What the server has not taken yet is not kept in memory.

    Raises psycopg.Error, or what the lines raise; the session can be used afterwards in either case.
    """
    connection = session.pgconn
    connection.nonblocking = 0
    try:
        _require(connection.exec_(statement.as_bytes(session)), pq.ExecStatus.COPY_IN)
        try:
            for block in _blocks(lines):
                connection.put_copy_data(block)
        except BaseException:
            connection.put_copy_end(b"stopped")
            while connection.get_result() is not None:
                pass
            raise
        connection.put_copy_end()
        result = connection.get_result()
        while connection.get_result() is not None:
            pass
        assert result is not None
        return _require(result, pq.ExecStatus.COMMAND_OK).command_tuples or 0
    finally:
        connection.nonblocking = 1


def straight(relation: Relation, columns: Sequence[str]) -> sql.Composable:
    """COPY into the table itself."""
    return sql.SQL("COPY {} ({}) FROM STDIN").format(name_of(relation), listed(columns))


def stage(session: Connection, relation: Relation, columns: Sequence[str], number: int, *, typed: bool) -> Staged:
    """Make a temporary table for rows: typed like the table's columns, or of texts that are made such later."""
    name = sql.Identifier("pg_temp", f"_opsconsole_load_{number}{'' if typed else 'x'}")
    kinds = (
        sql.SQL("t.{} AS {}").format(sql.Identifier(column), sql.Identifier(f"c{place}"))
        if typed
        else sql.SQL("NULL::text AS {}").format(sql.Identifier(f"c{place}"))
        for place, column in enumerate(columns)
    )
    made = sql.SQL(", ").join([sql.SQL("NULL::bigint AS row, NULL::int AS shape"), *kinds])
    session.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} t WITH NO DATA").format(
            name, made, only(relation)
        )
    )
    return Staged(name=name, relation=relation, columns=tuple(columns), typed=typed)


def into(staged: Staged) -> sql.Composable:
    """COPY into a temporary table: the row's number, its shape, its values."""
    return sql.SQL("COPY {} FROM STDIN").format(staged.name)


def drop(session: Connection, staged: Staged) -> None:
    session.execute(sql.SQL("DROP TABLE {}").format(staged.name))


def indexed(session: Connection, staged: Staged) -> None:
    """Have ranges of rows found quickly."""
    session.execute(sql.SQL("CREATE INDEX ON {} (row)").format(staged.name))


def shadow(session: Connection, relation: Relation, number: int) -> sql.Identifier:
    """An empty temporary twin of a table with its keys, checks and defaults, but without what it refers to."""
    name = sql.Identifier("pg_temp", f"_opsconsole_load_{number}y")
    session.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {} INCLUDING ALL EXCLUDING COMMENTS) ON COMMIT DROP").format(
            name, name_of(relation)
        )
    )
    return name


def insertion(
    staged: Staged, columns: Sequence[str], shape: int, key: Sequence[str], *,
    rows: Range | None = None, target: sql.Identifier | None = None,
) -> sql.Composed:  # fmt: skip
    """INSERT the rows of one shape, which name `columns`; with a `key`, rows that are there are updated instead."""
    return sql.SQL("INSERT INTO {} AS t {} {} FROM {} s WHERE s.shape = {} {} {}").format(
        target or name_of(staged.relation),
        sql.SQL("({}) OVERRIDING SYSTEM VALUE SELECT").format(listed(columns)) if columns else sql.SQL("SELECT"),
        sql.SQL(", ").join(staged.place(column) for column in columns),
        staged.name,
        sql.Literal(shape),
        _between(rows),
        _conflict(staged.relation, columns, key),
    )


def retyped(source: Staged, typed: Staged, rows: Range | None = None) -> sql.Composed:
    """INSERT rows of a temporary table of texts into its typed twin."""
    places = sql.SQL(", ").join([sql.SQL("s.row, s.shape"), *(source.place(column) for column in source.columns)])
    return sql.SQL("INSERT INTO {} SELECT {} FROM {} s WHERE true {}").format(
        typed.name, places, source.name, _between(rows)
    )


def at_once(session: Connection, statements: Sequence[sql.Composed]) -> list[int]:
    """Several INSERTs as one statement, so that references among their rows are checked when all are there.

    Gives back the rows that each of them inserted or updated.
    """
    if not statements:
        return []
    names = [sql.Identifier(f"w{place}") for place in range(len(statements))]
    query = sql.SQL("WITH {} SELECT {}").format(
        sql.SQL(", ").join(
            sql.SQL("{} AS ({} RETURNING 1)").format(name, statement)
            for name, statement in zip(names, statements, strict=True)
        ),
        sql.SQL(", ").join(sql.SQL("(SELECT count(*) FROM {})").format(name) for name in names),
    )
    row = session.execute(query).fetchone()
    return list(row or ())


def by_halves(
    session: Connection,
    rows: Range,
    statements: Statements,
    refuse: Callable[[int, psycopg.Error], None],
) -> int:
    """Insert a range of rows; where the server refuses, smaller and smaller ones, until it is known which row it was.

    `refuse` is told each such row, and may raise. Gives back how many rows were inserted or updated.
    """
    done = 0
    waiting = [(first, min(first + RANGE - 1, rows[1])) for first in range(rows[0], rows[1] + 1, RANGE)][::-1]
    while waiting:
        first, last = waiting.pop()
        try:
            with applied(session):
                went = sum(session.execute(statement).rowcount for statement in statements((first, last)))
            done += went
        except psycopg.Error as error:
            if not is_of_data(error):
                raise
            if first == last:
                refuse(first, error)
                continue
            middle = (first + last) // 2
            waiting += [(middle + 1, last), (first, middle)]
    return done


def count(session: Connection, table: sql.Identifier | Relation) -> int:
    name = only(table) if isinstance(table, Relation) else table
    row = session.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()
    return int(row[0]) if row else 0


def analyze(session: Connection, relations: Sequence[Relation]) -> None:
    """Statistics for the planner, of tables that the role may look at so; others are left out with a warning."""
    for relation in relations:
        session.execute(sql.SQL("ANALYZE {}").format(name_of(relation)))


def _conflict(relation: Relation, columns: Sequence[str], key: Sequence[str]) -> sql.Composable:
    if not key:
        return sql.SQL("")
    fixed = {*key, *(field.name for field in relation.fields if field.identity == "always")}
    changes = [sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in columns if name not in fixed]
    act = sql.SQL("UPDATE SET {}").format(sql.SQL(", ").join(changes)) if changes else sql.SQL("NOTHING")
    return sql.SQL("ON CONFLICT ({}) DO {}").format(listed(key), act)


def _between(rows: Range | None) -> sql.Composable:
    if rows is None:
        return sql.SQL("")
    return sql.SQL("AND s.row BETWEEN {} AND {}").format(sql.Literal(rows[0]), sql.Literal(rows[1]))


def name_of(relation: Relation) -> sql.Identifier:
    return sql.Identifier(relation.schema, relation.name)


def only(relation: Relation) -> sql.Composable:
    """The table without those that inherit from it in the old way; a partitioned one is nothing but its parts."""
    return name_of(relation) if relation.partitioned else sql.SQL("ONLY {}").format(name_of(relation))


def listed(columns: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines joined to pieces of about BLOCK bytes."""
    waiting, size = [], 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= BLOCK:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def _require(result: pq.abc.PGresult, status: pq.ExecStatus) -> pq.abc.PGresult:
    if result.status != status:
        raise psycopg.errors.error_from_result(result)
    return result
