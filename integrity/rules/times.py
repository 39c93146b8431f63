"""Times as databases hold them, compared with a moment in the past: SQL of either vendor.

A text counts as a time when it is one of ISO 8601 (`2026-01-31`, `2026-01-31 10:00:00`, `2026-01-31T10:00:00.123Z`,
`...+02:00`; without a zone it is UTC) and that day exists, or when it is a number; a number is seconds since 1970, or
milliseconds when it is larger than 1e11 (the year 5138). Whatever else is there is no time, and neither old nor new.
"""

from __future__ import annotations

import re

from integrity.checks.base import quoted
from integrity.rules.base import Unfit
from opsconsole.engines.structure import Field
from opsconsole.exceptions import Usage

UNITS = ("seconds", "minutes", "hours", "days", "months", "years")
_AGE = re.compile(r"(\d{1,6}) *(second|minute|hour|day|week|month|year)s?")
_MILLISECONDS = "100000000000"
_DAY = r"(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?"
_ZONE = r"(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)"
_ISO = f"^{_DAY}([T ]{_CLOCK} ?{_ZONE}?)?$"
_DIGITS = "^[0-9]{1,15}([.][0-9]+)?$"


def age_of(text: str) -> tuple[int, str]:
    """`30 days` as (30, "days"); (0, "days") for `0` and `now`. Raises Usage."""
    given = text.strip().lower()
    if given in ("", "0", "now"):
        return 0, "days"
    found = _AGE.fullmatch(given)
    if found is None:
        raise Usage("bad_value", f"{text!r} is no age.", "Write it like 0, 12 hours, 30 days, 6 months or 1 year.")
    number, unit = int(found[1]), found[2] + "s"
    return (7 * number, "days") if unit == "weeks" else (number, unit)


def is_older(vendor: str, field: Field, age: tuple[int, str]) -> str:
    """An SQL boolean over t: the column holds a time, and that is longer ago. Raises Unfit."""
    number, unit = age
    column = f"t.{quoted(field.name)}"
    if vendor == "sqlite":
        back = f", '-{number} {unit}'" if number else ""
        return f"{_on_sqlite(column)} < julianday('now'{back})"
    return _on_postgresql(column, field, f"now() - interval '{number} {unit}'" if number else "now()")


def _on_sqlite(column: str) -> str:
    """The value as a julian day, NULL when it is no time."""
    day = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
    exists = f"date(substr({column}, 1, 10), '+0 days') = substr({column}, 1, 10) AND {column} NOT GLOB '0000*'"
    iso = f"{column} GLOB '{day}*' AND {exists}"
    number = f"{column} GLOB '[0-9]*' AND NOT {column} GLOB '*[^0-9.]*' AND NOT {column} GLOB '*.*.*'"
    return (
        f"CASE WHEN typeof({column}) IN ('integer', 'real') THEN {_julian(column)}"
        f" WHEN typeof({column}) <> 'text' THEN NULL"
        f" WHEN {iso} THEN julianday({column})"
        f" WHEN {number} THEN {_julian(f'CAST({column} AS REAL)')} END"
    )


def _julian(number: str) -> str:
    seconds = f"CASE WHEN abs({number}) > {_MILLISECONDS} THEN {number} / 1000.0 ELSE {number} END"
    return f"({seconds}) / 86400.0 + 2440587.5"


def _on_postgresql(column: str, field: Field, past: str) -> str:
    match field.family:
        case "timestamptz":
            return f"{column} < {past}"
        case "timestamp":
            return f"{column} < ({past}) AT TIME ZONE 'UTC'"
        case "date":
            return f"{column} < (({past}) AT TIME ZONE 'UTC')::date"
        case "integer" | "numeric" | "float":
            return f"{_epoch(column)} < extract(epoch FROM {past})"
        case "text":
            return f"{_text(f'{column}::text')} < extract(epoch FROM {past})"
    raise Unfit(f"{field.name} is of type {field.type}, which holds no time.", "Name a column of times in the rule.")


def _epoch(number: str) -> str:
    return f"CASE WHEN abs({number}) > {_MILLISECONDS} THEN {number} / 1000.0 ELSE {number} END"


def _text(text: str) -> str:
    """Seconds since 1970, NULL when the text is no time. The day is added to the first of its month, which exists."""
    first, days = f"(substr({text}, 1, 8) || '01')", f"(substr({text}, 9, 2)::int - 1)"
    exists = f"to_char({first}::date + {days}, 'YYYY-MM-DD') = substr({text}, 1, 10)"
    zone = f"CASE WHEN substr({text}, 11) ~ '{_ZONE}$' THEN '' ELSE 'Z' END"
    moment = f"({first} || coalesce(nullif(substr({text}, 11), ''), ' 00:00') || {zone})::timestamptz"
    iso = f"extract(epoch FROM {moment}) + {days} * 86400"
    return (
        f"CASE WHEN {text} ~ '{_DIGITS}' THEN {_epoch(f'{text}::numeric')}"
        f" WHEN {text} ~ '{_ISO}' THEN CASE WHEN {exists} THEN {iso} END END"
    )
