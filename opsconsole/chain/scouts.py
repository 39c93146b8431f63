"""What a scout does: it passes over its part of the chain from the end, and tells which stretches are plainly well."""

from __future__ import annotations

import json
from collections.abc import Iterator

from opsconsole.chain import links, stretches
from opsconsole.chain.queries import fetch
from opsconsole.chain.stretches import CHUNK, CLOSELY
from opsconsole.verify_audit import NEVER, Reached

NOTES = "SELECT seq FROM opsconsole_auditcheckpoint WHERE seq <= %s ORDER BY seq DESC LIMIT %s"


def tell(first: int, last: int) -> None:
    """The work of a scout's process: a line for each stretch."""
    for pair in scout(first, last):
        told = [[at.seq, at.hash.hex(), at.newest, at.latest.isoformat()] for at in pair]
        print(json.dumps(told, separators=(",", ":")), flush=True)


def scout(first: int, last: int) -> Iterator[tuple[Reached, Reached]]:
    """Every stretch between two links that is plainly well, cut where the walk cuts: at chunks and checkpoints.

    The last chunk comes first; the first one is the walk's, which begins with it.
    """
    coming = _notes(last)
    note = next(coming, 0)
    for begin in range(first + (last - first) // CHUNK * CHUNK, first, -CHUNK):
        inside: list[int] = []
        while note >= begin:
            inside.insert(0, note)
            note = next(coming, 0)
        yield from _through(begin, min(begin + CHUNK - 1, last), [*inside, NEVER])


def _through(first: int, last: int, notes: list[int]) -> Iterator[tuple[Reached, Reached]]:
    rows = links.read(first - 2, last, CHUNK + 1)
    here = stretches.state_after(rows[0]) if rows and rows[0][0] == first - 1 else None
    rows = rows[1:]
    while rows and here is not None:
        passed, end = stretches.pass_over(rows, here, before=next(note for note in notes if note > here.seq))
        if passed:
            yield here, end
        close, rows = stretches.parted(rows[passed:], CLOSELY)
        here = stretches.state_after(close[-1]) if close else end


def _notes(last: int) -> Iterator[int]:
    """The links up to `last` that have a checkpoint, the last one first."""
    while found := fetch(NOTES, last, CHUNK):
        yield from (seq for (seq,) in found)
        last = found[-1][0] - 1
