"""What an SQLite file holds: tables, counts, digests, and whether it is sound.

Also a program of its own (`python -I probe.py PATH CHECK DIGESTS`), which reads a file that may be hostile in a
process with limits, so that the worst it can do is to end that process. It imports nothing but the standard library,
because it is run by its path. It prints one JSON object a line; the last one is `{"end": true}`.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sqlite3
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

HIDDEN_PREFIXES = ("_cf_", "_opsconsole_")  # the D1 runtime's tables, and the console's own
MIGRATIONS = "_opsconsole_migrations"  # the ledger of numbered files goes with the schema that they made
MEMORY_BYTES = 4 << 30
CHECKS = ("quick_check", "integrity_check")


def is_hidden(name: str) -> bool:
    """Whether a table is neither shown, nor counted, nor backed up."""
    return name.lower().startswith(HIDDEN_PREFIXES) and name.lower() != MIGRATIONS


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def table_names(connection: sqlite3.Connection, *, hidden: bool = False) -> list[str]:
    """Ordinary tables by name (no views, virtual tables, shadow tables, or tables of SQLite itself)."""
    rows = connection.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'").fetchall()
    names = sorted(name for (name,) in rows if not name.lower().startswith("sqlite_"))
    return [name for name in names if is_hidden(name) == hidden]


def stored_columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """Columns that hold data: generated ones are left out."""
    rows = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid", (table,))
    return [name for (name,) in rows]


def fingerprint(connection: sqlite3.Connection) -> str:
    """`sha256:...` over every user object's type, name, table and text, in an order of its own."""
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    shown = (row for row in rows if not any(is_hidden(name) or name.lower().startswith("sqlite_") for name in row[1:3]))
    text = json.dumps(sorted(shown), ensure_ascii=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def definitions(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The texts of every object that somebody made, tables first, in the order in which they were made.

    Tables of SQLite itself and those that belong to a virtual table are left out: they come by themselves.
    """
    rows = connection.execute(
        "SELECT s.name, s.sql FROM sqlite_schema s"
        " LEFT JOIN pragma_table_list l ON l.schema = 'main' AND l.name = s.name"
        " WHERE s.sql IS NOT NULL AND coalesce(l.type, '') <> 'shadow' ORDER BY s.type <> 'table', s.rowid"
    ).fetchall()
    return tuple(text for name, text in rows if not is_hidden(name) and not name.lower().startswith("sqlite_"))


def sequences(connection: sqlite3.Connection) -> dict[str, str]:
    """`sqlite_sequence` as name -> "last value,true"."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").fetchone():
        return {}
    rows = connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
    return {str(name): f"{value},true" for name, value in rows if not is_hidden(str(name))}


def row_count(connection: sqlite3.Connection, table: str) -> int:
    """Rows as the table's own tree has them (an index may be shorter when it is damaged)."""
    return int(connection.execute(f"SELECT count(*) FROM {quoted(table)} NOT INDEXED").fetchone()[0])


def digest(connection: sqlite3.Connection, table: str, columns: list[str] | None = None) -> tuple[int, str]:
    """Rows of a table, and `sha256:...` over them (or over these columns) in the order of the table's own tree.

    Each stored cell is a type letter and its value (`n`, `i`INTEGER, `r`REAL as SQLite quotes it, `t`BYTES`:`TEXT,
    `b`HEX); cells end with `|`, rows with a line feed. The digest is "" when a row is too large for SQLite to quote.
    """
    cells = "||'|'||".join(map(cell, stored_columns(connection, table) if columns is None else columns))
    total, rows = hashlib.sha256(), 0
    try:
        sql = f"SELECT CAST({cells}||char(124,10) AS BLOB) FROM {quoted(table)} NOT INDEXED"
        for (row,) in connection.execute(sql):
            total.update(row)
            rows += 1
    except sqlite3.DataError:  # SQLITE_TOOBIG
        return row_count(connection, table), ""
    return rows, "sha256:" + total.hexdigest()


def cell(name: str) -> str:
    """A stored cell as text in SQL, as `digest` describes it."""
    value = quoted(name)
    return (
        f"CASE typeof({value}) WHEN 'null' THEN 'n' WHEN 'integer' THEN 'i'||{value} "
        f"WHEN 'real' THEN 'r'||quote({value}) "
        f"WHEN 'text' THEN 't'||length(CAST({value} AS BLOB))||':'||{value} ELSE 'b'||hex({value}) END"
    )


def facts(connection: sqlite3.Connection) -> dict[str, Any]:
    """The numbers in the file's header, and its encoding."""
    names = ("page_size", "page_count", "auto_vacuum", "application_id", "user_version", "encoding", "journal_mode")
    return {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names}


def checked(connection: sqlite3.Connection, check: str, most: int = 20) -> list[str]:
    """What a check says, ["ok"] when nothing is wrong.

    What the quick one finds counts once the full one agrees: SQLite 3.40 takes the keys of a table WITHOUT ROWID for
    NULL where they are not in the order of its columns.
    """
    found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}({most})")]
    if check == CHECKS[0] and found != ["ok"]:
        return checked(connection, CHECKS[1], most)
    return found


NO_ROOM = 3


def examine(connection: sqlite3.Connection, check: str, digests: bool) -> Iterator[dict[str, Any]]:
    """Everything that a backup records or a restore compares, one finding at a time."""
    yield {"facts": facts(connection)}
    yield {"check": checked(connection, check)}
    yield {"orphans": sum(1 for _ in connection.execute("PRAGMA foreign_key_check"))}
    yield {"fingerprint": fingerprint(connection)}
    yield {"sequences": sequences(connection)}
    yield {"hidden": table_names(connection, hidden=True)}
    tables = table_names(connection)
    yield {"total": len(tables)}
    for table in tables:
        rows, total = digest(connection, table) if digests else (row_count(connection, table), "")
        yield {"table": table, "rows": rows, "digest": total, "columns": stored_columns(connection, table)}
    yield {"end": True}


def _open_guarded(path: str) -> sqlite3.Connection:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = sqlite3.connect(f"file:{quote(path)}?immutable=1", uri=True, isolation_level=None)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    for setting in ("cell_size_check=ON", "mmap_size=0", "query_only=ON"):
        connection.execute(f"PRAGMA {setting}")
    connection.set_authorizer(_authorize)
    return connection


def _authorize(action: int, first: str | None, second: str | None, schema: str | None, source: str | None) -> int:
    loads = action == sqlite3.SQLITE_FUNCTION and second == "load_extension"
    return sqlite3.SQLITE_DENY if loads or action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK


def main(arguments: list[str]) -> int:
    path, check, digests = arguments
    if check not in CHECKS:
        return 2
    try:
        for finding in examine(_open_guarded(path), check, digests == "digests"):
            print(json.dumps(finding), flush=True)
    except (sqlite3.Error, MemoryError) as error:
        print(json.dumps({"error": str(error) or type(error).__name__}), flush=True)
        return 1
    except OSError:
        return NO_ROOM  # for the findings: it says nothing about the file
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
