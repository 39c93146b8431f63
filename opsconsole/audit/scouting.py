"""Scouts: processes that pass over a long chain from its end while the walk comes from its beginning, until they meet.

A scout never says that something is wrong or right. It tells from which state of a walk to which other one a stretch
leads that is plainly well; the walk takes that step when it stands in exactly that state (link, hash, newest event and
time), and looks for itself everywhere else. So a scout that dies or lags behind costs time and never a finding, and
nobody waits for one.
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
from opsconsole.chain.stretches import CHUNK
from opsconsole.verify_audit import Reached

FEWEST = 100_000  # links for one process; fewer are passed sooner than another one starts
MOST = 4
AT_ONCE = 1 << 16  # bytes of what a scout has told


@dataclass
class _Scout:
    child: process.Child
    told: IO[bytes]  # its standard output: a line for each stretch
    heard: int = 0  # bytes of that


@dataclass
class Steps:
    """What scouts have told so far."""

    _scouts: list[_Scout] = field(default_factory=list)
    _known: dict[int, bytes] = field(default_factory=dict)  # lines, by the link after which their stretch begins

    def send(self, first: int, last: int) -> None:
        told = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the scout is dismissed
        argv = [process.python(), "-m", "opsconsole.scout_process", str(first), str(last)]
        env = inheritance.environment_for("scout")
        child = process.spawn(argv, env=env, stdout=told, stderr=process.DEVNULL, cwd=settings.BASE_DIR)
        self._scouts.append(_Scout(child, told))

    def after(self, reached: Reached) -> Reached | None:
        """Where a stretch that begins at `reached` and is plainly well ends, if a scout knows of one."""
        for scout in self._scouts:
            self._hear(scout)
        if (line := self._known.pop(reached.seq, None)) is None:
            return None
        start, end = (_state(told) for told in json.loads(line))
        return end if start == reached else None

    def _hear(self, scout: _Scout) -> None:
        while lines := os.pread(scout.told.fileno(), AT_ONCE, scout.heard).rpartition(b"\n")[0]:  # it writes meanwhile
            scout.heard += len(lines) + 1
            self._known |= {int(line[2 : line.index(b",")]): line for line in lines.split(b"\n")}

    def dismiss(self) -> None:
        for scout in self._scouts:
            process.stop(scout.child, grace=0.0)
            scout.told.close()
        self._scouts.clear()


@contextmanager
def sent_ahead(first: int, last: int) -> Iterator[Steps]:
    """Scouts over a chain that is long enough for more than one process, each over a part of it."""
    links = last + 1 - first
    scouts = min(os.cpu_count() or 1, MOST, links // FEWEST) - 1
    length = -(-links // (max(scouts, 1) * CHUNK)) * CHUNK  # of a part, in whole chunks: the walk cuts where scouts do
    steps = Steps()
    try:
        for begin in range(first, last + 1, length) if scouts > 0 else ():
            steps.send(begin, min(begin + length - 1, last))
        yield steps
    finally:
        steps.dismiss()


def _state(told: list[Any]) -> Reached:
    seq, hash_, newest, latest = told
    return Reached(seq, bytes.fromhex(hash_), newest, datetime.fromisoformat(latest))
