"""What SQLite itself reports of each statement, run on an empty copy of the schema in memory.

The only module beside the engines that opens SQLite: no file is read or written, ATTACH, VACUUM INTO and
load_extension are denied, and work and memory are bounded.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

LONGEST_VALUE = 16 << 20  # bytes
MOST_STEPS = 2_000  # of CHECK_EVERY virtual instructions, for one text
CHECK_EVERY = 10_000
_PRAGMAS = frozenset({"foreign_keys", "defer_foreign_keys", "user_version", "application_id", "legacy_alter_table"})
_SHOWING = frozenset({"table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list"})
_FUNCTIONS = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"})
_CATALOGUE = ("sqlite_", "_cf_")
_KINDS = {
    sqlite3.SQLITE_DELETE: "delete",
    sqlite3.SQLITE_UPDATE: "update",
    sqlite3.SQLITE_DROP_TABLE: "drop",
    sqlite3.SQLITE_DROP_VTABLE: "drop",
}


@dataclass
class Report:
    """Of one statement: (kind, table, trigger or view that does it), why it was refused, whether we denied it."""

    effects: set[tuple[str, str, str]] = field(default_factory=set)
    error: str = ""
    denied: bool = False


def reports(schema: Iterable[str], statements: Sequence[str], *, foreign_keys: bool) -> list[Report] | None:
    """A report for each statement, as far as they ran; None when the schema itself cannot be built here."""
    with closing(sqlite3.connect(":memory:", isolation_level=None, cached_statements=0)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        steps = iter(range(MOST_STEPS))
        connection.set_progress_handler(lambda: next(steps, None) is None, CHECK_EVERY)
        try:
            for text in schema:
                connection.execute(text)
            connection.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        except (sqlite3.Error, sqlite3.Warning, ValueError):
            return None
        return _run(connection, statements)


def _run(connection: sqlite3.Connection, statements: Sequence[str]) -> list[Report]:
    found: list[Report] = []

    def authorize(action: int, first: str | None, second: str | None, _schema: str | None, by: str | None) -> int:
        if not _allowed(action, str(first).lower(), str(second).lower()):
            found[-1].denied = True
            return sqlite3.SQLITE_DENY
        if action in _KINDS and first and not first.lower().startswith(_CATALOGUE):
            found[-1].effects.add((_KINDS[action], first.lower(), by or ""))
        return sqlite3.SQLITE_OK

    connection.set_authorizer(authorize)
    for text in statements:
        found.append(Report())
        try:
            connection.execute(text).fetchone()
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
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
