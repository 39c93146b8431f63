"""Links of the chain with the events that they seal, read in the order of their numbers."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError, connection

from opsconsole.chain.queries import fetch
from opsconsole.chain.shapes import INDEX

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
Row = tuple[int, int, bytes, bytes, bytes, str | bytes]


def read(after: int, last: int, most: int) -> list[Row]:
    """The next links after `after` with their events, at most `most` and none beyond `last`.

    One more where it bears the same number as the one before it: nothing is read again before a number that was read.
    """
    index = INDEX[connection.vendor]
    if connection.vendor == "postgresql":
        links = LINKS.replace("VALUES", VALUES).replace("INDEX", index)
        return _side_by_side(index, after, last, most) or _whole(fetch(links, after, last, most + 1), most)
    links = LINKS.replace(*ONLY_WHOLE)
    try:
        rows = fetch(links.replace("VALUES", VALUES).replace("INDEX", index), after, last, most + 1)
    except DatabaseError:  # SQLite holds values of any type in any column; JSON and texts of Python do not take all
        rows = fetch(links.replace("VALUES", "x'', x'', x'', ''"), after, last, most + 1)
    return _whole(rows, most)


def _side_by_side(index: str, after: int, last: int, most: int) -> list[Row]:
    """The same where events follow each other as their links do, else nothing: two ranges cost less than a join."""
    seals = _whole(fetch(SEALS, after, last, most + 1), most)
    numbers = [seal[1] for seal in seals]
    if not numbers or None in numbers or not 0 <= numbers[-1] - numbers[0] < 2 * most:
        return []
    events = fetch(EVENTS.replace("INDEX", index), numbers[0], numbers[-1])
    if [event[0] for event in events] != numbers:
        return []
    return [(*seal, payload, told) for seal, (_, payload, told) in zip(seals, events, strict=True)]


def _whole(rows: list[Any], most: int) -> list[Any]:
    """The first `most` of rows that begin with a number, and the one after them if it has the last one's number."""
    return rows if len(rows) <= most or rows[most][0] == rows[most - 1][0] else rows[:most]
