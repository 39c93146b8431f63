"""The log's rows as they are stored, read past Django's fields, which take only what the console would have written.

Whoever can write to the tables may leave values there that no driver gives back: times before Christ or without an
end, and in SQLite a value of any type in any column. Here each reads as itself or as nothing, and none stops a walk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import BigIntegerField, F, Func, TextField

from opsconsole.chain.queries import fetch
from opsconsole.models import AuditCheckpoint
from opsconsole.verify_audit import START, Filed

COLUMNS = (
    "uid", "type", "at", "actor", "actor_name", "outcome", "operation_id", "database_id", "database_name", "kind",
)  # fmt: skip
# `to_char` tells 2026 before Christ from 2026 by the era alone
TIME = "rtrim(to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.USAD'), 'AD')"
BYTES = {"sqlite": "CASE typeof({0}) WHEN 'blob' THEN {0} ELSE x'' END", "postgresql": "coalesce({0}, '')"}
TOLD = {"sqlite": "typeof({0}) || ':' || hex({0})", "postgresql": "{0}::text"}
NUMBER = {"sqlite": "CASE typeof({0}) WHEN 'integer' THEN {0} END", "postgresql": "{0}"}
EACH = "%(expressions)s"  # a column, in a template of Django's
NO_NUMBER = "SELECT count(*) FROM opsconsole_auditseal WHERE NUMBER IS NULL OR NUMBER < 1"
HEAD = "SELECT seq FROM opsconsole_auditseal WHERE NUMBER > 0 ORDER BY seq DESC LIMIT 1"
LINK = "SELECT BYTES FROM opsconsole_auditseal WHERE seq = %s LIMIT 1"
CLOSELY = (
    "SELECT s.seq, s.event_id, PREVIOUS, HASH, PAYLOAD, TOLD FROM opsconsole_auditseal s"
    " JOIN opsconsole_auditevent e ON e.id = s.event_id WHERE NUMBER >= %s AND s.seq <= %s ORDER BY s.seq"
)


# seq, event's number, previous link, link, payload, what each of COLUMNS holds
Row = tuple[Any, ...]


def head() -> int:
    """The last link of the chain; 0 where there is none."""
    return next((seq for (seq,) in fetch(HEAD.replace("NUMBER", _of(NUMBER, "seq")))), 0)


def links_without_a_number() -> int:
    """How many rows are links of no chain: numbers begin at 1."""
    [(count,)] = fetch(NO_NUMBER.replace("NUMBER", _of(NUMBER, "seq")))
    return int(count)


def link_at(seq: int) -> bytes:
    """The stored link `seq`; nothing where it is not there, or is no bytes."""
    return next((link for (link,) in fetch(LINK.replace("BYTES", _of(BYTES, "hash")), seq)), b"")


def link_before(seq: int) -> bytes:
    """The stored link before `seq`; what the first one follows where there is none."""
    return (link_at(seq - 1) if seq > 1 else b"") or START


def closely(first: int, last: int) -> list[Row]:
    """The links from `first` to `last` with their events; what is not of its column's type is nothing."""
    told = ", ".join(_as_told("e.at") if name == "at" else _of(TOLD, f"e.{name}") for name in COLUMNS)
    query = CLOSELY.replace("NUMBER", _of(NUMBER, "s.seq")).replace("TOLD", told)
    for word, column in (("PREVIOUS", "s.previous"), ("HASH", "s.hash"), ("PAYLOAD", "e.payload")):
        query = query.replace(word, _of(BYTES, column))
    return fetch(query, first, last)


def differing(held: Sequence[str | None], values: Mapping[str, Any]) -> list[str]:
    """Which of COLUMNS, as `closely` tells them, do not hold exactly these values, as the console writes them."""
    stored = _STORED[connection.vendor]
    return sorted(name for name, told in zip(COLUMNS, held, strict=True) if told != stored(values[name]))


def _in_postgresql(value: Any) -> Any:
    """What `closely` tells of a column that holds this value; what no column holds stays, and equals nothing."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")
    return str(value) if type(value) is int else value


def _in_sqlite(value: Any) -> Any:
    if isinstance(value, datetime):
        value = value.replace(tzinfo=None).isoformat(" ")
    if isinstance(value, str):
        return f"text:{value.encode().hex().upper()}"
    if value is None:
        return "null:"
    return f"integer:{str(value).encode().hex().upper()}" if type(value) is int else value


_STORED: dict[str, Callable[[Any], Any]] = {"sqlite": _in_sqlite, "postgresql": _in_postgresql}


def checkpoints() -> Iterator[tuple[Filed, str]]:
    """The notes of the table in the order of their links, each with where it is filed."""
    rows = AuditCheckpoint.objects.annotate(
        number=Func(F("seq"), template=_of(NUMBER, EACH), output_field=BigIntegerField()),
        key=Func(F("key_id"), template=_of(TOLD, EACH), output_field=TextField()),
        time=Func(F("at"), template=_as_told(EACH), output_field=TextField()),
        text=Func(F("note"), template=_of(TOLD, EACH), output_field=TextField()),
    ).order_by("seq").values_list("number", "key", "time", "text")  # fmt: skip
    for number, key, time, text in rows.iterator(chunk_size=500):
        yield (number, _text(key), _moment(time)), _text(text)


def _text(stored: str | None) -> str:
    if connection.vendor != "sqlite":
        return stored or ""
    type_, _, digits = (stored or "").partition(":")
    return bytes.fromhex(digits).decode("utf-8", "replace") if type_ == "text" else ""


def _moment(stored: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(_text(stored)).replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment if stored == _STORED[connection.vendor](moment) else None


def _as_told(column: str) -> str:
    """The expression that tells a time: by the era too where there is one."""
    return TIME.format(column) if connection.vendor == "postgresql" else _of(TOLD, column)


def _of(how: dict[str, str], column: str) -> str:
    return how[connection.vendor].format(column)
