"""Checkpoints met along the chain: each must be signed, and the chain must pass through it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from opsconsole.audit.findings import Report
from opsconsole.audit.notes import Checkpoint, parse, split
from opsconsole.keys import PublicKey
from opsconsole.models import AuditCheckpoint, AuditSeal


class Anchors:
    """The checkpoints of one source, read one at a time in the order of their links, as the walk comes by."""

    def __init__(
        self, name: str, notes: Iterable[tuple[int | None, str]], keys: Mapping[str, PublicKey], report: Report
    ):
        self.name = name
        self.missing = False
        self.count = 0
        self.last = 0
        self._notes = iter(notes)
        self._keys = keys
        self._report = report
        self._next = self._read()

    def meet(self, seq: int, link: bytes) -> None:
        """The walk has come to link `seq`, which is computed to be `link`."""
        while self._next is not None and self._next.seq <= seq:
            if self._next.seq == seq:
                self._compare(self._next, link)
            else:
                self._look_up(self._next)
            self._next = self._read()

    def finish(self, head: int) -> None:
        """The walk is over: what is left lies beyond the head, or the chain is empty."""
        while self._next is not None:
            if self._next.seq > head:
                self._tell(
                    "cut",
                    self._next,
                    f"The chain ends at {head}: its tail was cut off, or an old copy of the database is in use.",
                )
            else:
                self._look_up(self._next)
            self._next = self._read()

    def _read(self) -> Checkpoint | None:
        """The next checkpoint whose text and signature are right; wrong ones are findings."""
        for stored_seq, text in self._notes:
            try:
                note = parse(text)
            except ValueError as error:
                self._report.add("forged", f"checkpoint in {self.name}", f"It cannot be read: {error}.")
                continue
            self.count += 1
            self.last = max(self.last, note.seq)
            if self._is_genuine(note, stored_seq):
                return note
        return None

    def _is_genuine(self, note: Checkpoint, stored_seq: int | None) -> bool:
        if note.key_id not in self._keys:
            told = f"The key {note.key_id}, which signed checkpoints in {self.name}, is missing from the keys folder."
            if told not in self._report.unproven:
                self._report.unproven.append(told)
            return False
        if not note.is_signed_by(self._keys):
            self._tell("forged", note, "Its signature is wrong.")
            return False
        if stored_seq is not None and stored_seq != note.seq:
            self._tell("forged", note, f"It is filed under link {stored_seq}.")
        return True

    def _compare(self, note: Checkpoint, link: bytes) -> None:
        if note.hash != link:
            self._tell("fork", note, "The chain does not pass through it: history before it was rewritten.")

    def _look_up(self, note: Checkpoint) -> None:
        """A checkpoint before the part that is walked, or out of order."""
        stored = AuditSeal.objects.filter(seq=note.seq).values_list("hash", flat=True).first()
        self._compare(note, bytes(stored) if stored is not None else b"")

    def _tell(self, code: str, note: Checkpoint, why: str) -> None:
        self._report.add(code, f"checkpoint {note.seq} in {self.name}", why)


@contextmanager
def from_file(path: Path, keys: Mapping[str, PublicKey], report: Report) -> Iterator[Anchors]:
    """The checkpoints of a file outside the database."""
    try:
        lines = path.open(encoding="utf-8", errors="replace")
    except OSError:
        anchors = Anchors(path.name, (), keys, report)
        anchors.missing = True
        yield anchors
        return
    with lines:
        yield Anchors(path.name, ((None, note) for note in split(lines)), keys, report)


@contextmanager
def from_table(keys: Mapping[str, PublicKey], report: Report) -> Iterator[Anchors]:
    """The checkpoints that the database holds."""
    rows = AuditCheckpoint.objects.order_by("seq").values_list("seq", "note").iterator(chunk_size=500)
    yield Anchors("the table", rows, keys, report)
