"""The two sources of checkpoints that a console has: a file outside the database, and its own table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opsconsole.audit import storage
from opsconsole.verify_audit import Anchors, KeyRing, Report, split


@contextmanager
def from_file(path: Path, ring: KeyRing, report: Report) -> Iterator[Anchors]:
    """The checkpoints of a file outside the database."""
    try:
        lines = path.open(encoding="utf-8", errors="replace", newline="\n")
    except OSError:
        anchors = Anchors(path.name, (), ring, report)
        anchors.missing = True
        yield anchors
        return
    with lines:
        yield Anchors(path.name, ((None, note) for note in split(lines)), ring, report, storage.link_at)


@contextmanager
def from_table(ring: KeyRing, report: Report) -> Iterator[Anchors]:
    """The checkpoints that the database holds."""
    yield Anchors("the table", storage.checkpoints(), ring, report, storage.link_at)
