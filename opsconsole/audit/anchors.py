"""The two sources of checkpoints that a console has: a file outside the database, and its own table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opsconsole.models import AuditCheckpoint, AuditSeal
from opsconsole.verify_audit import Anchors, Filed, KeyRing, Report, split


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
        yield Anchors(path.name, ((None, note) for note in split(lines)), ring, report, _stored)


@contextmanager
def from_table(ring: KeyRing, report: Report) -> Iterator[Anchors]:
    """The checkpoints that the database holds."""
    yield Anchors("the table", _rows(), ring, report, _stored)


def _rows() -> Iterator[tuple[Filed, str]]:
    rows = AuditCheckpoint.objects.order_by("seq").values_list("seq", "key_id", "at", "note")
    for seq, key_id, at, note in rows.iterator(chunk_size=500):
        yield (seq, key_id, at), note


def _stored(seq: int) -> bytes:
    found = AuditSeal.objects.filter(seq=seq).values_list("hash", flat=True).first()
    return bytes(found) if found is not None else b""
