"""Stretches of the chain that are plainly well, passed at several times the speed of looking at each link.

What is accepted here, `verify_audit.Walk.see` and the comparison of the index columns would pass without a word: the
same hashes are computed, and one regular expression takes only canonical payloads of the shape that `record` writes,
whose index the database tells in one text. All else (another shape, an escaped sign, nested data, a time that runs
back, a checkpoint, and anything wrong) ends the stretch, and is looked at closely.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

from django.db import DatabaseError, connection

from opsconsole.audit import storage
from opsconsole.verify_audit import ROTATED, Reached, moment_of

# A choice that repeats stands in (?>...): Python 3.11.2 loses its place in one that is possessive itself.
TOKENS = {
    "<t>": r'"[ !#-\[\]-\U0010ffff]*+"',  # a text without escapes
    "<T>": r'"([ !#-\[\]-\U0010ffff]*+)"',  # one that the index holds
    **{f"<T{most}>": rf'"([ !#-\[\]-\U0010ffff]{{0,{most}}}+)"' for most in (20, 40, 60, 63, 120, 150)},  # not cut
    "<n>": r"(?:null|[1-9][0-9]{0,14}+)",
    "<N>": r"(null|[1-9][0-9]{0,14}+)",
    "<day>": r"([0-9]{4}-[0-9]{2}-[0-9]{2})",
    "<time>": r"((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6})",
    "<data>": r'\{((?>(?:"[a-z_]++":(?:"[ !#-\[\]-\U0010ffff]*+"|null|true|false|0|-?[1-9][0-9]{0,14}+)'
    r'(?:,(?=")|(?=\})))+))?\}',
}
SHAPE = (
    '{"actor":{"account":<n>,"auth":<t>,"key":<T120>,"kind":<t>,"name":<T150>,"person":<n>,"session":<t>},"after":<t>,'
    '"at":"<day>T<time>Z","before":<t>,"data":<data>,"id":<T>,"outcome":<T20>,"reason":<t>,'
    '"source":{"host":<t>,"ip":<t>,"request":<t>,"user_agent":<t>},'
    '"subject":{"database":<N>,"environment":<t>,"kind":<T40>,"name":<T63>,"object":<t>,"operation":<N>,"title":<t>},'
    f'"type":(?!"{re.escape(ROTATED)}")<T60>,"v":1}}'
)
DATA = 5  # the group of it without its braces; none where they hold nothing
TOLD = r'\["\3 \4","\1","\2","\6","\7",\8,"\9","\10",\11,"\12"]'  # by the index, of the groups before
# A payload and its index, a line each. No token takes the end of a line, so the two cannot be taken for one another.
PAYLOAD = re.sub(r"<\w+>", lambda token: TOKENS[token[0]], re.sub(r"([{}])", r"\\\1", SHAPE))
LINES = re.compile(f"{PAYLOAD}\n{TOLD}")
REMEMBERED = 200  # signs of data of which it is remembered whether it is in order
NAMES = re.compile(r'"([a-z_]+)":')  # of flat data; a text in it holds no quote
INDEX = {  # the columns that `columns` derives from a payload, as a JSON list without spaces
    "sqlite": "json_array(e.at, e.actor, e.actor_name, e.uid, e.outcome, e.database_id, e.kind, e.database_name,"
    " e.operation_id, e.type)",
    "postgresql": f"""'["' || {storage.TIME.format("e.at")} || '","' || e.actor || '","'
    || e.actor_name || '","' || e.uid || '","' || e.outcome || '",' || coalesce(e.database_id::text, 'null') || ',"'
    || e.kind || '","' || e.database_name || '",' || coalesce(e.operation_id::text, 'null') || ',"'
    || e.type || '"]'""",
}
SEALS = (
    "SELECT seq, event_id, previous, hash FROM opsconsole_auditseal WHERE seq > %s AND seq <= %s ORDER BY seq LIMIT %s"
)
EVENTS = "SELECT e.id, e.payload, INDEX FROM opsconsole_auditevent e WHERE e.id >= %s AND e.id <= %s ORDER BY e.id"
LINKS = (
    "SELECT s.seq, s.event_id, VALUES FROM opsconsole_auditseal s JOIN opsconsole_auditevent e ON e.id = s.event_id"
    " WHERE s.seq > %s AND s.seq <= %s ORDER BY s.seq LIMIT %s"
)
VALUES = "s.previous, s.hash, e.payload, INDEX"
ONLY_WHOLE = ("WHERE", "WHERE typeof(s.seq) = 'integer' AND")  # SQLite keeps what is no number, too


# seq, event's number, previous link, link, payload, what the event's other columns say (plain tuples: there are many)
Row = tuple[int, int, bytes, bytes, bytes, str]


def read(after: int, last: int, most: int) -> list[Row]:
    """The next links after `after` with their events, at most `most` and none beyond `last`.

    One more where it bears the same number as the one before it: nothing is read again before a number that was read.
    """
    index = INDEX[connection.vendor]
    if connection.vendor == "postgresql":
        links = LINKS.replace("VALUES", VALUES).replace("INDEX", index)
        return _side_by_side(index, after, last, most) or _whole(storage.fetch(links, after, last, most + 1), most)
    links = LINKS.replace(*ONLY_WHOLE)
    try:
        rows = storage.fetch(links.replace("VALUES", VALUES).replace("INDEX", index), after, last, most + 1)
    except DatabaseError:  # SQLite holds values of any type in any column; JSON and texts of Python do not take all
        rows = storage.fetch(links.replace("VALUES", "x'', x'', x'', ''"), after, last, most + 1)
    return _whole(rows, most)


def _side_by_side(index: str, after: int, last: int, most: int) -> list[Row]:
    """The same where events follow each other as their links do, else nothing: two ranges cost less than a join."""
    seals = _whole(storage.fetch(SEALS, after, last, most + 1), most)
    numbers = [seal[1] for seal in seals]
    if not numbers or None in numbers or not 0 <= numbers[-1] - numbers[0] < 2 * most:
        return []
    events = storage.fetch(EVENTS.replace("INDEX", index), numbers[0], numbers[-1])
    if [event[0] for event in events] != numbers:
        return []
    return [(*seal, payload, told) for seal, (_, payload, told) in zip(seals, events, strict=True)]


def _whole(rows: list[Any], most: int) -> list[Any]:
    """The first `most` of rows that begin with a number, and the one after them if it has the last one's number."""
    return rows if len(rows) <= most or rows[most][0] == rows[most - 1][0] else rows[:most]


def pass_over(rows: list[Row], start: Reached, *, before: int) -> tuple[int, Reached]:
    """How many rows after `start` are plainly well, and where they end; at most up to the link before `before`.

    Of rows with the same number none is passed: whoever looks closely reads all that bear it.
    """
    seq, previous, newest = start.seq, start.hash, start.newest
    latest, day = start.latest.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"), ""
    match, event = LINES.fullmatch, sha256(b"\x00")
    try:
        for row_seq, number, row_previous, stored, payload, index in rows[: max(before - seq - 1, 0)]:
            leaf = event.copy()
            leaf.update(payload)
            link = b"\x01" + previous + (seq + 1).to_bytes(8, "big") + leaf.digest()
            if row_seq != seq + 1 or row_previous != previous or sha256(link).digest() != stored:
                break
            told, at = match(f"{str(payload, 'utf-8')}\n{index}"), index[2:28]
            if told is None or number <= newest or at < latest:
                break
            if at[:10] != day:
                day = _real(at[:10])
            if (data := told[DATA]) is not None and not _in_order(data):
                break
            seq, previous, newest, latest = row_seq, stored, number, at
    except (ValueError, TypeError):
        pass  # bytes that are no text, a value of another type: to be looked at closely
    passed = seq - start.seq
    if passed and passed < len(rows) and rows[passed][0] == seq:
        return pass_over(rows, start, before=seq)
    return passed, Reached(seq, previous, newest, datetime.fromisoformat(latest).replace(tzinfo=UTC))


def parted(rows: list[Row], most: int) -> tuple[list[Row], list[Row]]:
    """The first `most` rows and the others; those with the same number stay together."""
    while most < len(rows) and rows[most][0] == rows[most - 1][0]:
        most += 1
    return rows[:most], rows[most:]


def state_after(row: Row) -> Reached | None:
    """Where a walk stands after a link that it found well; None where nobody would find it well."""
    seq, number, _, stored, _, index = row
    try:
        return Reached(seq, bytes(stored), int(number), datetime.fromisoformat(index[2:28]).replace(tzinfo=UTC))
    except (ValueError, TypeError):
        return None


def _real(date: str) -> str:
    """The date; raises ValueError for one that is not in the calendar."""
    moment_of(f"{date}T00:00:00.000000Z")
    return date


def _in_order(data: str) -> bool:
    """Whether flat data has each name once and in order, as its canonical form does."""
    return _found_in_order(data) if len(data) <= REMEMBERED else _found_in_order.__wrapped__(data)


@lru_cache(maxsize=1000)  # little data comes again and again
def _found_in_order(data: str) -> bool:
    names = NAMES.findall(data)
    return names == sorted(set(names))
