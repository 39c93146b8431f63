"""Reading a ledger's table: its columns, its rows as JSON, and the moments in them, whatever the tool made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from lifecycle.sources.base import Entry, Migration, Row
from opsconsole.engines.scripting import Script
from opsconsole.exceptions import Usage

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MILLISECONDS_FROM = 100_000_000_000  # a number beyond it counts milliseconds since 1970, and not seconds


def quoted(name: str) -> str:
    """An identifier as both vendors take it; `schema.table` stays two names."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def plain(name: str, what: str) -> str:
    """A name that a tool puts into its SQL as it is. Raises Usage for what would need quotes."""
    if not _PLAIN.fullmatch(name):
        raise Usage(
            "bad_name",
            f"The {what} {name!r} is no plain name (letters, digits and _).",
            "Give it as it stands in the database.",
        )
    return name


def named(options: Mapping[str, str], usual: str) -> str:
    """The ledger's name by the options `table` and `schema`, ready to stand in SQL. Raises Usage for a bad one."""
    parts = [part for part in (options.get("schema", ""), options.get("table") or usual) if part]
    return ".".join(plain(part, "ledger") for part in parts)


def columns(script: Script, table: str) -> tuple[str, ...]:
    """The columns of a table in their order; empty where there is none of that name. `table` may be schema.table.

    Without a schema, PostgreSQL looks along the search path, as the tools do.
    """
    if script.vendor == "postgresql":
        sql = (
            "SELECT attname::text FROM pg_attribute"
            " WHERE attrelid = to_regclass(?::text) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
        found = script.ask(sql, [quoted(table)])
    else:
        found = script.ask("SELECT name FROM pragma_table_info(?) ORDER BY cid", [table])
    return tuple(str(row[0]) for row in found)


def rows(script: Script, table: str, names: Sequence[str], order: str = "") -> list[dict[str, Any]]:
    """Every row of a table as it is, by column; `order` is the end of the statement (`ORDER BY ...`)."""
    listed = ", ".join(quoted(name) for name in names)
    found = script.ask(f"SELECT {listed} FROM {quoted(table)} {order}")
    return [dict(zip(names, row, strict=True)) for row in found]


def as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's values as JSON has them: bytes as hexadecimal digits, moments as ISO 8601, others exactly as text."""
    return {name: _as_json(value) for name, value in row.items()}


def moment(value: Any) -> datetime | None:
    """A ledger's time as an aware datetime in UTC; None for what is none.

    Text may be `YYYY-MM-DD HH:MM:SS` (UTC) or ISO 8601; numbers count seconds or milliseconds since 1970.
    """
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS_FROM else value, UTC)
        read = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def told(when: datetime | None) -> str:
    """A moment within a sentence: " on 2026-01-31 at 12:00 UTC", or nothing."""
    return f" on {when:%Y-%m-%d} at {when:%H:%M} UTC" if when else ""


def merged(known: Sequence[Entry], strangers: Sequence[Entry], rows: Sequence[Row]) -> tuple[Entry, ...]:
    """Put entries without a file (`strangers`) behind what was applied before them; `rows` are in that order."""
    of_key, here = {entry.key: entry for entry in strangers}, {entry.key for entry in known}
    behind: dict[str, list[Entry]] = {}
    last = ""
    for row in rows:
        if row.key in of_key:
            behind.setdefault(last, []).append(of_key.pop(row.key))
        elif row.key in here:
            last = row.key
    found = list(behind.get("", ()))
    for entry in known:
        found += [entry, *behind.get(entry.key, ())]
    return tuple(found)


def late(migration: Migration, migrations: Sequence[Migration], applied: set[str]) -> str:
    """The name of a migration that stands behind this one and is applied already; "" where there is none."""
    place = list(migrations).index(migration)
    return next((other.name for other in migrations[place + 1 :] if other.key in applied), "")


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
