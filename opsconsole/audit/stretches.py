"""Stretches of the chain that are plainly well, passed at several times the speed of looking at each link.

What is accepted here, `verify_audit.Walk.see` and the comparison of the index columns would pass without a word: the
same hashes are computed, and one regular expression takes only canonical payloads of the shape that `record` writes,
whose index the database tells in one text. All else (another shape, an escaped sign, nested data, a time that runs
back, a checkpoint, and anything wrong) ends the stretch, and is looked at closely.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import sha256

from django.db import DatabaseError, connection

from opsconsole.models import AuditSeal
from opsconsole.verify_audit import ROTATED, START, Reached, moment_of

# A choice that repeats stands in (?>...): Python 3.11.2 loses its place in one that is possessive itself.
TOKENS = {
    "<t>": r'"[^"\\\x00-\x1f]*+"',  # a text without escapes
    "<T>": r'"([^"\\\x00-\x1f]*+)"',  # one that the index holds
    "<n>": r"(?:null|[1-9][0-9]{0,14}+)",
    "<N>": r"(null|[1-9][0-9]{0,14}+)",
    "<day>": r"([0-9]{4}-[0-9]{2}-[0-9]{2})",
    "<time>": r"((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6})",
    "<data>": r'(\{(?>(?:"[a-z_]++":(?:"[^"\\\x00-\x1f]*+"|null|true|false|0|-?[1-9][0-9]{0,14}+)'
    r'(?:,(?=")|(?=\})))*)\})',
}
SHAPE = (
    '{"actor":{"account":<n>,"auth":<t>,"key":<T>,"kind":<t>,"name":<T>,"person":<n>,"session":<t>},"after":<t>,'
    '"at":"<day>T<time>Z","before":<t>,"data":<data>,"id":<T>,"outcome":<T>,"reason":<t>,'
    '"source":{"host":<t>,"ip":<t>,"request":<t>,"user_agent":<t>},'
    '"subject":{"database":<N>,"environment":<t>,"kind":<T>,"name":<T>,"object":<t>,"operation":<N>,"title":<t>},'
    '"type":<T>,"v":1}'
)
PAYLOAD = re.compile(re.sub(r"<\w+>", lambda token: TOKENS[token[0]], re.sub(r"([{}])", r"\\\1", SHAPE)))
NAMES = re.compile(r'[{,]"([a-z_]+)":')  # of flat data; a text in it holds no quote
INDEX = {  # the columns that `columns` derives from a payload, as a JSON list without spaces
    "sqlite": "json_array(e.actor, e.actor_name, e.at, e.uid, e.outcome, e.database_id, e.kind, e.database_name,"
    " e.operation_id, e.type)",
    "postgresql": """format('["%%s","%%s","%%s","%%s","%%s",%%s,"%%s","%%s",%%s,"%%s"]', e.actor, e.actor_name,"""
    " to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), e.uid, e.outcome,"
    " coalesce(e.database_id::text, 'null'), e.kind, e.database_name, coalesce(e.operation_id::text, 'null'), e.type)",
}
LINKS = (
    "SELECT s.seq, s.event_id, s.previous, s.hash, e.payload, INDEX FROM opsconsole_auditseal s"
    " JOIN opsconsole_auditevent e ON e.id = s.event_id WHERE s.seq > %s AND s.seq <= %s ORDER BY s.seq LIMIT %s"
)


# seq, event's number, previous link, link, payload, what the event's other columns say (plain tuples: there are many)
Row = tuple[int, int, bytes, bytes, bytes, str]


def read(after: int, last: int, most: int) -> list[Row]:
    """The next links after `after` with their events, at most `most` and none beyond `last`."""
    for index in (INDEX[connection.vendor], "''"):
        try:
            with connection.cursor() as cursor:
                cursor.execute(LINKS.replace("INDEX", index), [after, last, most])
                return cursor.fetchall()
        except DatabaseError:  # SQLite holds values of any type in any column, and JSON does not take all
            if index == "''" or connection.vendor != "sqlite":
                raise
    return []


def link_before(seq: int) -> bytes:
    """The stored link before `seq`; what the first one follows where there is none."""
    found = AuditSeal.objects.filter(seq=seq - 1).values_list("hash", flat=True).first()
    return bytes(found) if found is not None else START


def pass_over(rows: list[Row], start: Reached, *, before: int) -> tuple[int, Reached]:
    """How many rows after `start` are plainly well, and where they end; at most up to the link before `before`."""
    seq, previous, newest = start.seq, start.hash, start.newest
    latest, day = start.latest.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"), ""
    match, event = PAYLOAD.fullmatch, sha256(b"\x00")
    try:
        for row_seq, number, row_previous, stored, payload, index in rows:
            leaf = event.copy()
            leaf.update(payload)
            link = b"\x01" + previous + (seq + 1).to_bytes(8, "big") + leaf.digest()
            if row_seq != seq + 1 or row_previous != previous or sha256(link).digest() != stored or seq + 1 >= before:
                break
            told = match(str(payload, "utf-8"))
            if told is None or number <= newest:
                break
            key, name, date, time, data, uid, outcome, database, kind, database_name, operation, type_ = told.groups()
            at = f"{date} {time}"
            if date != day:
                day = _real(date)
            if (
                f'["{key}","{name}","{at}","{uid}","{outcome}",{database},"{kind}","{database_name}",{operation},"{type_}"]'
                != index
                or at < latest
                or (data != "{}" and not _in_order(data))
                or type_ == ROTATED
            ):
                break
            seq, previous, newest, latest = row_seq, stored, number, at
    except (ValueError, TypeError):
        pass  # bytes that are no text, a value of another type: to be looked at closely
    return seq - start.seq, Reached(seq, previous, newest, datetime.fromisoformat(latest).replace(tzinfo=UTC))


def _real(date: str) -> str:
    """The date; raises ValueError for one that is not in the calendar."""
    moment_of(f"{date}T00:00:00.000000Z")
    return date


def _in_order(data: str) -> bool:
    """Whether flat data has each name once and in order, as its canonical form does."""
    names = NAMES.findall(data)
    return names == sorted(set(names))
