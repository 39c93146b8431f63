"""An SQLite file built from its definitions and rows, where nobody else looks until it is done."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from opsconsole.engines.sqlite import probe
from opsconsole.engines.sqlite.connections import private
from opsconsole.exceptions import OperationFailed

STEPS = 20_000  # of SQLite's machine between two looks at whether to go on
BEFORE, AFTER = ("page_size", "auto_vacuum", "encoding"), ("user_version", "application_id")  # tables are made between
_FIRST = ("table",)
_LAST = ("index", "view", "trigger")  # in this order: triggers may be those of views


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """What a file is made of beside its rows: the numbers in its header, and (type, name, SQL) of every object."""

    facts: Mapping[str, Any]
    objects: tuple[tuple[str, str, str], ...]


def definitions(path: Path) -> Definitions:
    """Of a private file. What SQLite makes by itself (indexes of keys, what a virtual table keeps) is left out."""
    with private(str(path)) as connection:
        shadows = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'"
        rows = connection.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
            f" AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name NOT IN ({shadows}) ORDER BY rowid"
        ).fetchall()
        shown = [(kind, name, sql) for kind, name, table, sql in rows if not probe.is_hidden(table)]
        return Definitions(facts=probe.facts(connection), objects=tuple(shown))


def stored_types(path: Path) -> dict[str, dict[str, str]]:
    """The columns that hold data of each table of a private file, with their declared types."""
    with private(str(path)) as connection:
        select = "SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid"
        return {table: dict(connection.execute(select, (table,))) for table in probe.table_names(connection)}


def virtual_tables(path: Path) -> list[str]:
    """Tables of a private file whose rows a module keeps in its own way."""
    with private(str(path)) as connection:
        found = connection.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual'")
        return sorted(str(name) for (name,) in found)


class Building:
    """A file while it is built. `check` is called often and may raise to stop."""

    def __init__(self, connection: sqlite3.Connection, check: Callable[[], None]) -> None:
        self._connection, self._check = connection, check
        self._stopped: BaseException | None = None
        connection.set_progress_handler(self._look, STEPS)

    def begin(self, made_of: Definitions) -> None:
        """The tables, empty."""
        for name in BEFORE:
            if name in made_of.facts:
                self._do(f"PRAGMA {name}={_pragma(made_of.facts[name])}")
        self._do("BEGIN")
        self._make(made_of, _FIRST)

    def fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Rows in the order in which they lay; each has a value for every column."""
        listed = ", ".join(map(probe.quoted, columns))
        insert = f"INSERT INTO {probe.quoted(table)} ({listed}) VALUES "
        plain = insert + "(" + ", ".join("?" * len(columns)) + ")"
        for row in rows:
            if any(isinstance(value, str) and not _is_utf8(value) for value in row):
                marks = ["CAST(? AS TEXT)" if isinstance(value, str) else "?" for value in row]
                self._do(f"{insert}({', '.join(marks)})", [_bound(value, raw=True) for value in row])
            else:
                self._do(plain, [_bound(value) for value in row])

    def finish(self, made_of: Definitions, sequences: Mapping[str, str]) -> None:
        """Sequences, indexes, views and triggers, and the end of the transaction."""
        if sequences:
            self._do("DELETE FROM sqlite_sequence")
        for name, value in sequences.items():
            self._do("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [name, _number(value.partition(",")[0])])
        self._make(made_of, _LAST)
        self._do("COMMIT")
        for name in AFTER:
            if name in made_of.facts:
                self._do(f"PRAGMA {name}={int(made_of.facts[name])}")

    def _make(self, made_of: Definitions, kinds: Sequence[str]) -> None:
        for wanted in kinds:
            for kind, _, statement in made_of.objects:
                if kind == wanted:
                    self._do(statement)

    def _do(self, statement: str, values: Sequence[Any] = ()) -> None:
        try:
            self._connection.execute(statement, values)
        except sqlite3.Error as error:
            if self._stopped is not None:
                raise self._stopped from None
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                raise
            raise OperationFailed(
                "not_restorable",
                f"SQLite refuses what the backup holds: {error}.",
                "Take a fresh backup, and verify that.",
            ) from error

    def _look(self) -> bool:
        try:
            self._check()
        except BaseException as stop:  # SQLite ends the statement, and `_do` raises it again
            self._stopped = stop
        return self._stopped is not None


@contextmanager
def building(path: Path, check: Callable[[], None]) -> Iterator[Building]:
    """Build in an empty private file."""
    with private(str(path)) as connection:
        connection.execute("PRAGMA journal_mode=MEMORY")
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("PRAGMA ignore_check_constraints=ON")  # they held, or did not, where the rows come from
        yield Building(connection, check)


def _bound(value: Any, *, raw: bool = False) -> Any:
    """A value as SQLite takes it; with `raw` a text is given as its bytes."""
    if isinstance(value, Decimal):
        return float(value)
    if raw and isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return value


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdecimal() else text


def _pragma(value: Any) -> str:
    return str(int(value)) if str(value).isdecimal() else "'" + str(value).replace("'", "''") + "'"
