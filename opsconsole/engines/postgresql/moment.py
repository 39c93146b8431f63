"""One moment of a database, read table by table for a comparison: counts, columns, COPY streams, single rows by key.

Everything happens in one transaction that cannot write. Each read has its own savepoint and timeout, so that a table
that is locked or too large costs its own answer and no other one's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import psycopg
from psycopg import pq, sql

from opsconsole.engines.postgresql import catalogue, proofs, snapshot
from opsconsole.engines.postgresql.connect import LOOK, Connection, Connector

LOCK_TIMEOUT = "2s"
KEYS_AT_ONCE = 100
Fields = list[bytes | None]


class TooSlow(Exception):
    """The server did not answer in time, or another session keeps the table locked; `why` is for people."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A table as rows of it are copied: stored columns with their types, the key, and whether binary form suits it."""

    schema: str
    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    binary: bool
    estimate: int | None

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"


class Moment:
    """`seconds_left` gives the time that a statement may take now, and may raise."""

    def __init__(self, session: Connection, seconds_left: Callable[[], float]) -> None:
        self._session = session
        self._seconds_left = seconds_left

    @cached_property
    def tables(self) -> dict[str, Stored]:
        """Every user table by its full name."""
        return stored_tables(self._session)

    @cached_property
    def numbered(self) -> dict[tuple[str, str], set[str]]:
        """Columns, by (schema, table), whose binary form names a type by a number that only this database has."""
        return proofs.numbered_columns(self._session)

    def count(self, table: str) -> int:
        """Exact rows. Raises TooSlow."""
        found = self.tables[table]
        with self._careful():
            return catalogue.counts(self._session, [(found.schema, found.name)])[found.schema, found.name]

    def blocks(
        self, table: str, columns: Sequence[str], *, binary: bool, percent: float | None = None
    ) -> Generator[bytes]:
        """A COPY stream of all rows, or of those in so many percent of the pages. Raises TooSlow."""
        found = self.tables[table]
        name, form = sql.Identifier(found.schema, found.name), sql.SQL("binary" if binary else "text")
        statement = sql.SQL("COPY {} ({}) TO STDOUT (FORMAT {})").format(name, _listed(columns), form)
        if percent is not None:
            statement = sql.SQL("COPY (SELECT {} FROM ONLY {} TABLESAMPLE SYSTEM ({})) TO STDOUT (FORMAT {})").format(
                _listed(columns), name, sql.Literal(percent), form
            )
        with self._careful(), self._session.cursor().copy(statement) as copy:
            for block in copy:
                yield bytes(block)

    def newest(self, table: str, column: str) -> str | None:
        """The largest value of a column as text. Raises TooSlow."""
        found = self.tables[table]
        query = sql.SQL("SELECT max({})::text FROM ONLY {}").format(
            sql.Identifier(column), sql.Identifier(found.schema, found.name)
        )
        with self._careful():
            row = self._session.execute(query).fetchone()
            return None if row is None else row[0]

    def find(
        self, table: str, columns: Sequence[str], key: Sequence[str], keys: Sequence[Fields], *, binary: bool
    ) -> Iterator[Fields]:
        """The rows with these keys; fields travel in the form of COPY, without the escapes of its text form."""
        found = self.tables[table]
        types = self._type_numbers(found)
        for start in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[start : start + KEYS_AT_ONCE]
            with self._careful():
                yield from self._found(found, columns, key, some, [types[name] for name in key], binary)

    def _found(
        self, table: Stored, columns: Sequence[str], key: Sequence[str], keys: Sequence[Fields], types: list[int],
        binary: bool,
    ) -> Iterator[Fields]:  # fmt: skip
        form = pq.Format.BINARY if binary else pq.Format.TEXT
        places = iter(range(1, len(keys) * len(key) + 1))
        listed = ", ".join("(" + ", ".join(f"${next(places)}" for _ in key) + ")" for _ in keys)
        query = sql.SQL("SELECT {} FROM ONLY {} WHERE ({}) IN ({})").format(
            _listed(columns), sql.Identifier(table.schema, table.name), _listed(key), sql.SQL(listed)
        )
        values = [value for fields in keys for value in fields]
        result = self._session.pgconn.exec_params(
            query.as_bytes(None), values, types * len(keys), [form] * len(values), form
        )
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise psycopg.errors.error_from_result(result)
        for row in range(result.ntuples):
            yield [result.get_value(row, column) for column in range(result.nfields)]

    def _type_numbers(self, table: Stored) -> dict[str, int]:
        rows = self._session.execute(
            "SELECT attname, atttypid::bigint FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND NOT attisdropped",
            (snapshot.quoted(table.schema, table.name),),
        )
        return dict(rows.fetchall())

    @contextmanager
    def _careful(self) -> Iterator[None]:
        milliseconds = int(self._seconds_left() * 1000)
        try:
            with self._session.transaction():
                self._session.execute("SELECT set_config('statement_timeout', %s, true)", (str(milliseconds),))
                yield
        except psycopg.errors.LockNotAvailable:
            raise TooSlow("another session keeps the table locked") from None
        except psycopg.errors.QueryCanceled:
            raise TooSlow("the time for comparing was over") from None
        except psycopg.errors.InsufficientPrivilege:
            raise TooSlow("the role may not read it") from None


@contextmanager
def moment(
    connector: Connector, seconds_left: Callable[[], float], *, database: str | None = None, encoding: str = ""
) -> Iterator[Moment]:
    """Open one moment of a database (`database`: another one of the same server), in the encoding of the other side."""
    settings = LOOK | {"lock_timeout": LOCK_TIMEOUT, "row_security": "off", "synchronize_seqscans": "off"}
    if encoding not in ("", "SQL_ASCII"):  # of which the server converts nothing anyway
        settings |= {"client_encoding": encoding}
    with connector.session(settings, database=database) as session, session.transaction():
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield Moment(session, seconds_left)


def stored_tables(session: Connection) -> dict[str, Stored]:
    """Every user table by its full name, as its rows are copied. Nothing here waits for a locked table."""
    of_table = (
        "FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"
    )
    rows = session.execute(
        "SELECT n.nspname, c.relname, nullif(c.reltuples, -1)::bigint,"
        f" array(SELECT a.attname::text {of_table} ORDER BY a.attnum),"
        f" array(SELECT format_type(a.atttypid, a.atttypmod) {of_table} ORDER BY a.attnum),"
        f" array(SELECT a.atttypid::bigint {of_table}),"
        " array(SELECT a.attname::text FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[])"
        "  WITH ORDINALITY AS k(number, place) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number"
        "  WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY k.place)"
        f" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {catalogue.USER_TABLES}"
    ).fetchall()
    binary = snapshot.binary_test(session)
    found = (
        Stored(
            schema=schema, name=name, columns=tuple(zip(names, types, strict=True)), key=tuple(key),
            binary=all(map(binary, used)), estimate=estimate,
        )
        for schema, name, estimate, names, types, used, key in rows
    )  # fmt: skip
    return {table.full_name: table for table in found}


def _listed(columns: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
