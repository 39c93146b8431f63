"""Stretches of the chain that are plainly well, passed at several times the speed of looking at each link.

What is accepted here, `verify_audit.Walk.see` and the comparison of the index columns would pass without a word: the
same hashes are computed, and payloads have the shape of `shapes`. All else (another shape, a time that runs back, a
checkpoint, and anything wrong) ends the stretch, and is looked at closely.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from hashlib import sha256

from django.db import connection

from opsconsole.chain import shapes
from opsconsole.chain.links import Row
from opsconsole.verify_audit import Reached

CHUNK = 1000  # links that are read at once; walk and scouts cut alike
CLOSELY = 50  # links to look at before trying again to pass many at once
HASH = 32  # bytes
LINK = struct.Struct(">c32sQ32s").pack  # what a link is the hash of: 0x01, the previous one, its number, the leaf


def pass_over(rows: list[Row], start: Reached, *, before: int) -> tuple[int, Reached]:
    """How many rows after `start` are plainly well, and where they end; at most up to the link before `before`.

    Of rows with the same number none is passed: whoever looks closely reads all that bear it.
    """
    seq, previous, newest, latest, midnight = start.seq, start.hash, start.newest, _as_told(start.latest), ""
    lines, begun = shapes.lines(connection.vendor), sha256(b"\x00").copy
    match, told_at, told_data = lines.fullmatch, lines.groupindex["at"], lines.groupindex["data"]
    known: set[str | None] = {None}  # data that is in order: the same comes again and again
    try:
        for row_seq, number, row_previous, stored, payload, index in rows[: _most(start, before)]:
            leaf, following = begun(), seq + 1
            leaf.update(payload)
            if row_previous != previous or sha256(LINK(b"\x01", previous, following, leaf.digest())).digest() != stored:
                break
            told = match(f"{payload.decode()}\n{index if isinstance(index, str) else index.decode()}")
            if told is None or row_seq != following or number <= newest or (at := told[told_at]) < latest:
                break
            if (data := told[told_data]) not in known:
                if not shapes.in_order(data):
                    break
                known.add(data)
            if at >= midnight:
                midnight = shapes.midnight_after(at[:10])
            seq, previous, newest, latest = following, stored, number, at
    except (ValueError, TypeError, AttributeError):
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
        return Reached(seq, bytes(stored), int(number), shapes.moment_told(index))
    except (ValueError, TypeError):
        return None


def _most(start: Reached, before: int) -> int:
    return max(before - start.seq - 1, 0) if len(start.hash) == HASH else 0


def _as_told(moment: datetime) -> str:
    told = moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    return told.rstrip("0").rstrip(".") if connection.vendor == "postgresql" else told
