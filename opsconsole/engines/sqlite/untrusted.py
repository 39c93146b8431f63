"""SQLite content from strangers: a file that may be made to harm, and a dump whose statements nobody has seen.

Used in a process of few rights and limits (`lifecycle.documents.inspecting`). Nothing that such content defines is run:
no trigger, no view, no virtual table, no check; generated columns are left to themselves. An authorizer denies whatever
is not needed, every statement has a deadline, and no value is longer than LONGEST_VALUE.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from opsconsole.engines.sqlite.connections import require_supported_library
from opsconsole.engines.sqlite.probe import quoted
from opsconsole.exceptions import OperationFailed

LONGEST_VALUE = 64 << 20  # bytes of a value, and of a statement
CACHE_KIB = 8 << 10
CHECK_EVERY = 20_000  # virtual machine instructions between two looks at the clock
STATEMENT_SECONDS = 20.0
CHECK_SECONDS = 4 * 3600.0  # for what reads a whole table or file; the process has limits of its own
DEFENSIVE = 1010  # SQLITE_DBCONFIG_DEFENSIVE
MOST_DAMAGE = 20  # lines of what a check finds
_SEEMS_NULL = "NULL value in "
_UNSAFE = re.compile(r"unsafe use of (\w+|->>?)")
_HARMLESS = re.compile(r"json\w*|->>?")  # SQLite 3.40 takes even these for unsafe in a schema
_ESCAPE = re.compile(r"\\(?:(\\)|([0-9A-Fa-f]{4})|u([0-9A-Fa-f]{4})|\+([0-9A-Fa-f]{6})|U([0-9A-Fa-f]{8}))")
# What an INSERT of a dump may call; `unistr` is new in SQLite 3.50, so that older libraries get ours.
DUMP_FUNCTIONS = frozenset({"replace", "char", "unistr"})
_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_TRANSACTION})
_CREATING = frozenset(
    {
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_CREATE_INDEX,  # those that come with UNIQUE
        sqlite3.SQLITE_FUNCTION,  # of defaults, checks and generated columns; ATTACH and the like are none
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE,
    }
)
_INSERTING = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_SELECT, sqlite3.SQLITE_TRANSACTION})
_PRAGMAS = frozenset({"integrity_check", "quick_check", "table_xinfo"})
_CATALOGUES = frozenset({"sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"})


@dataclass(frozen=True)
class Defined:
    """One line of the schema. `kind` is table, index, view or trigger; `sql` is "" for what SQLite made by itself."""

    kind: str
    name: str
    table: str
    sql: str

    @property
    def is_virtual(self) -> bool:
        return re.match(r"\s*CREATE\s+VIRTUAL\b", self.sql, re.IGNORECASE) is not None


class Untrusted:
    """Foreign content, open for reading. Every method raises OperationFailed: unreadable, timeout, too_large."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def schema(self) -> list[Defined]:
        """Everything that is defined, in the order in which it was."""
        sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid"
        with explained("The schema"):
            rows = self._ask_again(sql)
            return [Defined(*("" if cell is None else str(cell) for cell in row)) for row in rows]

    def damage(self, tables: list[str] | None = None) -> list[str]:
        """What the checks find wrong, the quick one first; [] for a sound file. `tables` narrows the second one.

        That a value is NULL counts only when the second one says so: SQLite 3.40 takes the keys of a table WITHOUT
        ROWID for NULL in the quick one, where they are not in the order of its columns.
        """
        with explained("The file"):
            found = self._checked(f"quick_check({MOST_DAMAGE})")
            wrong = [line for line in found if not line.startswith(_SEEMS_NULL)]
            checks = [f"integrity_check({MOST_DAMAGE})"]
            for check in checks if tables is None else [f"integrity_check({quoted(table)})" for table in tables]:
                wrong = wrong or self._checked(check)
            return wrong[:MOST_DAMAGE]

    def columns(self, table: str) -> list[tuple[str, str, bool]]:
        """(name, declared type, whether it is generated) of each column."""
        with explained(f"The table {table}"):
            rows = self._ask(f"PRAGMA table_xinfo({quoted(table)})")
            return [(str(row[1]), str(row[2]), row[6] in {2, 3}) for row in rows if row[6] != 1]

    def count(self, table: str) -> int:
        with explained(f"The table {table}"):
            rows = self._ask(f"SELECT 1 FROM {quoted(table)} NOT INDEXED", CHECK_SECONDS)
            return sum(1 for _ in rows)

    def rows(self, table: str, columns: list[str]) -> Iterator[tuple[Any, ...]]:
        """Every row, in the order of the table's own tree: None, int, float, str (surrogateescape) or bytes."""
        listed = ", ".join(map(quoted, columns)) or "NULL"
        with explained(f"The table {table}"):
            yield from self._ask(f"SELECT {listed} FROM {quoted(table)} NOT INDEXED", CHECK_SECONDS)

    def _checked(self, pragma: str) -> list[str]:
        try:
            found = [str(row[0]) for row in self._ask_again(f"PRAGMA {pragma}")]
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
                raise
            return [str(error)]
        return [line for line in found if line != "ok"]

    def _ask_again(self, sql: str) -> list[tuple[Any, ...]]:
        """All answers, with a schema that uses the JSON functions as well."""
        try:
            return self._ask(sql, CHECK_SECONDS).fetchall()
        except sqlite3.OperationalError as error:
            self._trust_json(error)
        return self._ask(sql, CHECK_SECONDS).fetchall()

    def _trust_json(self, error: sqlite3.OperationalError) -> None:
        """Let the schema use the JSON functions, which do no harm; raises `error` again when it is about others."""
        unsafe = _UNSAFE.search(str(error))
        if unsafe is None or not _HARMLESS.fullmatch(unsafe[1]):
            raise error
        self._connection.set_authorizer(None)
        self._connection.execute("PRAGMA trusted_schema=ON")
        self._connection.set_authorizer(_authorize_reading)

    def _ask(self, sql: str, seconds: float = STATEMENT_SECONDS) -> sqlite3.Cursor:
        _limit(self._connection, seconds)
        return self._connection.execute(sql)


class Imported(Untrusted):
    """A private database that takes the tables and rows of a dump, one statement at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._allowed = _READING
        connection.set_authorizer(self._authorize)

    def create_table(self, sql: str) -> None:
        """Run one CREATE TABLE that selects nothing."""
        self._run(sql, _CREATING)

    def insert(self, sql: str) -> None:
        """Run one INSERT of constants; of functions it may call DUMP_FUNCTIONS."""
        self._run(sql, _INSERTING)

    def _run(self, sql: str, allowed: frozenset[int]) -> None:
        self._allowed = allowed
        try:
            with explained("The statement"):
                self._ask(sql)
        finally:
            self._allowed = _READING

    def _authorize(self, action: int, first: str | None, second: str | None, schema: str | None, by: str | None) -> int:
        if by is not None or schema == "temp":
            return sqlite3.SQLITE_DENY  # from inside a trigger or a view
        if self._allowed is _READING:
            return _reading(action, first)
        if self._allowed is _INSERTING and action == sqlite3.SQLITE_FUNCTION:
            return sqlite3.SQLITE_OK if str(second).lower() in DUMP_FUNCTIONS else sqlite3.SQLITE_DENY
        if self._allowed is _INSERTING and str(first).lower() in _CATALOGUES:
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK if action in self._allowed else sqlite3.SQLITE_DENY


@contextmanager
def untrusted_file(path: str) -> Iterator[Untrusted]:
    """A file of our own that holds foreign content, opened so that nothing can change it."""
    require_supported_library()
    with explained("The file"), closing(_connected(path)) as connection:
        yield Untrusted(connection)


def fold_wal(path: str) -> int:
    """Put a write-ahead log that lies beside a file of our own into it; gives back how many pages that were."""
    require_supported_library()
    uri = f"file:{quote(path)}?mode=rw"
    with explained("The file"), closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        _settle(connection)
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        _limit(connection, CHECK_SECONDS)
        return max(0, int(connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()[1]))


@contextmanager
def imported(path: str) -> Iterator[Imported]:
    """A new database at `path`, which nobody else reaches, for what a dump brings."""
    require_supported_library()
    with explained("The copy"), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        _settle(connection)
        for setting in ("journal_mode=OFF", "synchronous=OFF", "foreign_keys=OFF", "ignore_check_constraints=ON"):
            connection.execute(f"PRAGMA {setting}")
        connection.create_function("unistr", 1, unistr, deterministic=True)
        connection.execute("BEGIN")
        yield Imported(connection)


def unistr(text: Any) -> str:
    """SQLite's own function of that name: `\\XXXX`, `\\uXXXX`, `\\+XXXXXX`, `\\UXXXXXXXX` and `\\\\`."""
    return _ESCAPE.sub(lambda match: "\\" if match[1] else chr(int(match[match.lastindex or 0], 16)), str(text))


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn errors of SQLite into OperationFailed; `what` begins the sentence."""
    try:
        yield
    except sqlite3.Error as error:
        primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if primary in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
            raise OperationFailed("disk_full", "The disk took no more.", "Free space, then try again.") from error
        if primary == sqlite3.SQLITE_INTERRUPT:
            why = f"{what} takes longer to read than any honest one does."
            raise OperationFailed("timeout", why, "Have it looked at; nothing was taken over.") from error
        if primary == sqlite3.SQLITE_TOOBIG:
            why = f"{what} holds a value of more than {LONGEST_VALUE >> 20} MiB."
            raise OperationFailed("too_large", why, "Keep such values in files.") from error
        raise OperationFailed("unreadable", f"{what} cannot be read: {error}.", "Use another copy of it.") from error
    except UnicodeError as error:
        raise OperationFailed("unreadable", f"{what} has names that are no text.", "Use another copy of it.") from error


def _connected(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(path)}?immutable=1", uri=True, isolation_level=None)
    _settle(connection)
    for setting in ("trusted_schema=OFF", "query_only=ON", "ignore_check_constraints=ON"):
        connection.execute(f"PRAGMA {setting}")
    connection.set_authorizer(_authorize_reading)
    return connection


def _settle(connection: sqlite3.Connection) -> None:
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    if configure := getattr(connection, "setconfig", None):  # Python 3.12
        configure(DEFENSIVE, True)
    for limit, most in (
        (sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE),
        (sqlite3.SQLITE_LIMIT_SQL_LENGTH, LONGEST_VALUE),
        (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
        (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 0),
    ):
        connection.setlimit(limit, most)
    for setting in ("cell_size_check=ON", "mmap_size=0", f"cache_size=-{CACHE_KIB}"):
        connection.execute(f"PRAGMA {setting}")


def _limit(connection: sqlite3.Connection, seconds: float) -> None:
    until = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > until, CHECK_EVERY)


def _authorize_reading(action: int, first: str | None, second: str | None, schema: str | None, by: str | None) -> int:
    return _reading(action, first) if by is None else sqlite3.SQLITE_DENY


def _reading(action: int, first: str | None) -> int:
    if action == sqlite3.SQLITE_PRAGMA:
        return sqlite3.SQLITE_OK if str(first).lower() in _PRAGMAS else sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY
