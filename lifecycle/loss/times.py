"""Which column of a table tells when its rows were written, and what its values mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

# Names as applications choose them, without underscores and in lower case; the first that a table has is used.
NAMES = (
    "updatedat", "modifiedat", "changedat", "lastmodified", "modified", "updated", "updatedon", "modifiedon",
    "createdat", "insertedat", "addedat", "recordedat", "loggedat", "occurredat", "placedat", "created", "createdon",
    "dateadded", "datecreated", "datemodified", "timestamp", "createdtime", "updatedtime", "ts", "at", "time",
)  # fmt: skip
PAST = re.compile(r"(?<!expir)(?<!schedul)(?<!plann)(?:ed|made|sent|paid|seen|done)(?:at|on)$")
TYPED = re.compile(r"date|timestamp(\(\d\))? with(out)? time zone")  # no arrays, ranges or types of somebody's own
STAMP = re.compile(r"(timestamp|datetime|\bdate\b)", re.IGNORECASE)
STORED = re.compile(r"^(|text.*|.*char.*|integer|int|bigint|real|numeric|.*date.*|.*time.*)$", re.IGNORECASE)
EPOCH_2000 = datetime(2000, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
JULIAN_1970 = 2440587.5


def time_column(columns: Iterable[tuple[str, str]], *, loose: bool = False) -> str:
    """The column that tells when a row was last written, "" when none does.

    Columns of a timestamp type are looked at; with `loose` (SQLite has no such type) any that could hold a time.
    """
    fitting = [
        name for name, kind in columns if (STAMP.search(kind) or STORED.match(kind) if loose else TYPED.fullmatch(kind))
    ]
    by_plain = {re.sub("[^a-z]", "", name.lower()): name for name in reversed(fitting)}
    named = next((by_plain[plain] for plain in NAMES if plain in by_plain), "")
    return named or next((name for name in fitting if PAST.search(re.sub("[^a-z]", "", name.lower()))), "")


def from_microseconds(value: int) -> datetime | None:
    """A timestamp in the binary form of PostgreSQL: microseconds since 2000; None for the infinite ones."""
    try:
        return EPOCH_2000 + timedelta(microseconds=value)
    except OverflowError:
        return None


def from_days(value: int) -> datetime | None:
    """A date in the binary form of PostgreSQL: days since 2000."""
    try:
        return EPOCH_2000 + timedelta(days=value)
    except OverflowError:
        return None


def from_any(value: object) -> datetime | None:
    """A time as applications write it: ISO 8601 text, seconds or milliseconds since 1970, a Julian day."""
    if isinstance(value, str):
        return _from_text(value)
    if not isinstance(value, int | float):
        return None
    try:
        if 10**11 <= value < 10**14:
            return EPOCH + timedelta(milliseconds=value)
        if 10**8 <= value < 10**11:
            return EPOCH + timedelta(seconds=value)
        if 2_400_000 <= value < 2_500_000:
            return EPOCH + timedelta(days=value - JULIAN_1970)
    except OverflowError:
        pass
    return None


def _from_text(value: str) -> datetime | None:
    text = value.strip()
    if re.search(r"[+-]\d\d$", text) and ":" in text:
        text += ":00"  # PostgreSQL writes +02 for +02:00
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
