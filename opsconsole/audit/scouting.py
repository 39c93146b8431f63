"""Scouts: processes that pass over a long chain ahead of the walk, one for each further core.

A scout never says that something is wrong or right. It tells from which state of a walk to which other one a stretch
leads that is plainly well; the walk takes that step when it stands in exactly that state (link, hash, newest event and
time), and looks for itself everywhere else. So a scout that dies or lags behind costs time and never a finding.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

from django.conf import settings

from opsconsole import inheritance, process
from opsconsole.audit import storage, stretches
from opsconsole.models import AuditCheckpoint
from opsconsole.verify_audit import BEGINNING, NEVER, Reached

CHUNK = 1000
CLOSELY = 50  # links to look at before trying again to pass many at once
FEWEST = 100_000  # links for one process; fewer are passed sooner than another one starts
LEAD = 100_000  # links that the walk passes while a scout starts
MOST = 4
PATIENCE_SECONDS = 60.0


@dataclass
class _Scout:
    first: int
    child: process.Child
    told: IO[bytes]


@dataclass
class Steps:
    """What scouts have told, taken up when the walk comes to where each of them began."""

    _scouts: list[_Scout] = field(default_factory=list)
    _known: dict[Reached, Reached] = field(default_factory=dict)

    def send(self, first: int, last: int) -> None:
        told = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the scout is heard or dismissed
        argv = [process.python(), "-m", "opsconsole.scout_process", str(first), str(last)]
        env = inheritance.environment_for("scout")
        child = process.spawn(argv, env=env, stdout=told, stderr=process.DEVNULL, cwd=settings.BASE_DIR)
        self._scouts.append(_Scout(first, child, told))

    def after(self, reached: Reached) -> Reached | None:
        """Where a stretch that begins at `reached` and is plainly well ends, if a scout knows of one."""
        while self._scouts and self._scouts[0].first <= reached.seq + 1:
            self._hear(self._scouts.pop(0))
        return self._known.pop(reached, None)

    def _hear(self, scout: _Scout) -> None:
        if process.ended_within(scout.child, PATIENCE_SECONDS) and scout.child.returncode == 0:
            scout.told.seek(0)
            self._known = dict(_pair(json.loads(line)) for line in scout.told)
        process.stop(scout.child, grace=0.0)
        scout.told.close()

    def dismiss(self) -> None:
        for scout in self._scouts:
            process.stop(scout.child, grace=0.0)
            scout.told.close()
        self._scouts.clear()


@contextmanager
def sent_ahead(first: int, last: int) -> Iterator[Steps]:
    """Scouts over all but the first part of a chain that is long enough for more than one process."""
    links = last + 1 - first
    parts = min(os.cpu_count() or 1, MOST, links // FEWEST)
    length = max(links - LEAD, 0) // (max(parts, 1) * CHUNK) * CHUNK  # of a scout's part, in whole chunks
    begin = first + -(-(links - length * (parts - 1)) // CHUNK) * CHUNK  # so that the walk cuts where scouts do
    begins = range(begin, last + 1, length) if parts > 1 and length else ()
    steps = Steps()
    try:
        for begin in begins:
            steps.send(begin, min(begin + length - 1, last))
        yield steps
    finally:
        steps.dismiss()


def scout(first: int, last: int) -> Iterator[tuple[Reached, Reached]]:
    """Every stretch between two links that is plainly well, cut where the walk cuts: at chunks and checkpoints."""
    here = Reached(first - 1, storage.link_before(first), 0, BEGINNING)
    notes = AuditCheckpoint.objects.filter(seq__gte=first).order_by("seq").values_list("seq", flat=True)
    coming = notes.iterator(chunk_size=CHUNK)
    note = next(coming, NEVER)
    while rows := stretches.read(here.seq, last, CHUNK):
        while rows:
            passed, end = stretches.pass_over(rows, here, before=note)
            again = passed < len(rows) and rows[passed][0] == end.seq  # whoever steps there would step over it
            if passed and not again:
                yield here, end
            close, rows = rows[passed : passed + CLOSELY], rows[passed + CLOSELY :]
            here = Reached(close[-1][0], storage.link_at(close[-1][0]), 0, BEGINNING) if close else end
            while note <= here.seq:
                note = next(coming, NEVER)


def tell(first: int, last: int) -> None:
    """The work of a scout's process: a line for each stretch."""
    for pair in scout(first, last):
        print(json.dumps([[at.seq, at.hash.hex(), at.newest, at.latest.isoformat()] for at in pair]))


def _pair(told: list[list[Any]]) -> tuple[Reached, Reached]:
    start, end = (
        Reached(seq, bytes.fromhex(hash_), newest, datetime.fromisoformat(latest))
        for seq, hash_, newest, latest in told
    )
    return start, end
