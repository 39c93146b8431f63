"""What SQLite itself reports of each statement, on an empty copy of the schema in memory.

The only module beside the engines that opens SQLite: no file is read or written, ATTACH, VACUUM INTO and
load_extension are denied, and work and memory are bounded. SQLite reports what a statement would do when it compiles
it (https://www.sqlite.org/c3ref/set_authorizer.html), so queries need not be run.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

LONGEST_VALUE = 4 << 20  # bytes of a value, and of a statement
MOST_PAGES = 16 << 10  # of the copy in memory
MOST_SECONDS = 3.0  # of this thread's work, for one text
CHECK_EVERY = 1000  # virtual instructions between two looks at the clock
MISSING_HERE = ("no such function", "no such module", "no such collation", "no such tokenizer", "unknown tokenizer")
_PRAGMAS = frozenset({"defer_foreign_keys", "user_version", "application_id", "legacy_alter_table"})
_SHOWING = frozenset({"table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list"})
_FUNCTIONS = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"})
_OURS = ("sqlite_", "_cf_")
_KINDS = {
    sqlite3.SQLITE_DELETE: "delete",
    sqlite3.SQLITE_UPDATE: "update",
    sqlite3.SQLITE_DROP_TABLE: "drop",
    sqlite3.SQLITE_DROP_VTABLE: "drop",
}
_FAILURES = (sqlite3.Error, sqlite3.Warning, ValueError)  # the last one for texts that are none


@dataclass
class Report:
    """Of one statement: (delete, update or drop; table; trigger that does it), and SQLite's words when it refused."""

    effects: set[tuple[str, str, str]] = field(default_factory=set)
    error: str = ""
    denied: bool = False  # by us, so that the error says nothing of the statement


def reports(schema: Iterable[str], statements: Sequence[str], *, switch: bool) -> list[Report] | None:
    """A report for each statement, up to the first that fails.

    Foreign keys are on; `switch` says whether PRAGMA foreign_keys has an effect. None when this SQLite cannot build
    the schema itself.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None, cached_statements=0)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        until = time.thread_time() + MOST_SECONDS
        connection.set_progress_handler(lambda: time.thread_time() > until, CHECK_EVERY)
        try:
            for setting in (f"max_page_count={MOST_PAGES}", "temp_store=MEMORY"):
                connection.execute(f"PRAGMA {setting}")
            for text in schema:
                connection.execute(text)
            connection.execute("PRAGMA foreign_keys=ON")
        except _FAILURES:
            return None
        return _run(connection, statements, switch)


def _run(connection: sqlite3.Connection, statements: Sequence[str], switch: bool) -> list[Report]:
    found: list[Report] = []

    def authorize(action: int, first: str | None, second: str | None, _schema: str | None, by: str | None) -> int:
        name = str(first).lower()
        if action == sqlite3.SQLITE_PRAGMA and name == "foreign_keys":
            return sqlite3.SQLITE_OK if switch else sqlite3.SQLITE_IGNORE
        if not _allowed(action, name, str(second).lower()):
            found[-1].denied = True
            return sqlite3.SQLITE_DENY
        if action in _KINDS and not name.startswith(_OURS):
            found[-1].effects.add((_KINDS[action], name, by or ""))
        return sqlite3.SQLITE_OK

    connection.set_authorizer(authorize)
    for text in statements:
        found.append(Report())
        try:
            connection.execute(text).close()
        except _FAILURES as error:
            found[-1].error = str(error)
            if not found[-1].denied:
                break  # what follows may rest on it
    connection.set_authorizer(None)
    return found


def _allowed(action: int, first: str, second: str) -> bool:
    if action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH):
        return False  # VACUUM INTO asks for the former, too
    if action == sqlite3.SQLITE_PRAGMA:
        return first in _PRAGMAS or first in _SHOWING
    return action != sqlite3.SQLITE_FUNCTION or second not in _FUNCTIONS
