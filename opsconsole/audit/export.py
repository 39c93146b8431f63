"""Exports of the history as streams of text: JSON lines that prove themselves, and CSV for a spreadsheet.

A JSON line is `{"event":PAYLOAD,"seal":{"hash":HEX,"previous":HEX,"seq":N}}` where PAYLOAD is the sealed bytes as they
are; the lines come in the order of the chain, and the checkpoints that cover them (`{"checkpoint":NOTE}`) come last.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from opsconsole.audit.reading import Filters
from opsconsole.audit.record import record
from opsconsole.audit.sealing import seal_all
from opsconsole.audit.sentences import payload_of, sentence
from opsconsole.exceptions import Usage
from opsconsole.models import AuditCheckpoint, AuditEvent, AuditSeal
from opsconsole.plans import canonical_json

CHUNK = 500
FORMATS = ("jsonl", "csv")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_HEADINGS = (
    "seq", "id", "at", "type", "sentence", "actor", "name", "actor_kind", "auth", "ip", "request", "host", "outcome",
    "operation", "kind", "title", "database", "environment", "object", "reason", "before", "after", "data", "hash",
)  # fmt: skip


def export(format: str, filters: Filters | None = None) -> Iterator[str]:
    """Record the export as an event of its own, then give the sealed events that fit, piece by piece.

    Raises Usage for an unknown format or person. Memory stays the same whatever the size.
    """
    if format not in FORMATS:
        raise Usage("bad_format", f"The history cannot be exported as {format}.", f"Use one of: {', '.join(FORMATS)}.")
    filters = filters or Filters()
    wanted = filters.of(AuditEvent.objects.all())
    seal_all()
    last = AuditSeal.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    record("audit.exported", data={"format": format, "filters": filters.as_texts(), "until_seq": last})
    rows = _sealed(wanted, last)
    return _jsonl(rows) if format == "jsonl" else _csv(rows)


def _sealed(wanted: Any, last: int) -> Iterator[AuditEvent]:
    after = 0
    while True:
        rows = wanted.filter(seal__seq__gt=after, seal__seq__lte=last).select_related("seal").order_by("seal__seq")
        chunk = list(rows[:CHUNK])
        yield from chunk
        if len(chunk) < CHUNK:
            return
        after = chunk[-1].seal.seq


def _jsonl(rows: Iterator[AuditEvent]) -> Iterator[str]:
    first = last = 0
    for event in rows:
        seal = event.seal
        first, last = first or seal.seq, seal.seq
        place = {"hash": bytes(seal.hash).hex(), "previous": bytes(seal.previous).hex(), "seq": seal.seq}
        yield f'{{"event":{bytes(event.payload).decode()},"seal":{canonical_json(place).decode()}}}\n'
    for note in _covering(first, last):
        yield canonical_json({"checkpoint": note}).decode() + "\n"


def _covering(first: int, last: int) -> Iterator[str]:
    """The checkpoints within the exported links, and the first one after them."""
    rows = AuditCheckpoint.objects.order_by("seq").values_list("note", flat=True)
    if not last:
        return
    yield from rows.filter(seq__gte=first, seq__lt=last).iterator(chunk_size=CHUNK)
    yield from rows.filter(seq__gte=last)[:1]


def _csv(rows: Iterator[AuditEvent]) -> Iterator[str]:
    yield _line(_HEADINGS)
    for event in rows:
        yield _line(_cells(event))


def _cells(event: AuditEvent) -> tuple[Any, ...]:
    told = payload_of(event)
    actor, source, subject = (told.get(part) or {} for part in ("actor", "source", "subject"))
    return (
        event.seal.seq, event.uid, told.get("at"), told.get("type"), sentence(told),
        actor.get("key"), actor.get("name"), actor.get("kind"), actor.get("auth"),
        source.get("ip"), source.get("request"), source.get("host"),
        told.get("outcome"), subject.get("operation"), subject.get("kind"), subject.get("title"), subject.get("name"),
        subject.get("environment"), subject.get("object"), told.get("reason"), told.get("before"), told.get("after"),
        json.dumps(told.get("data") or {}, ensure_ascii=False, sort_keys=True), bytes(event.seal.hash).hex(),
    )  # fmt: skip


def _line(cells: tuple[Any, ...]) -> str:
    """One line with every cell quoted; a cell that a spreadsheet would take for a formula gets a leading apostrophe."""
    out = io.StringIO()
    texts = ("" if cell is None else str(cell) for cell in cells)
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow(
        f"'{text}" if text.startswith(FORMULA_STARTS) else text for text in texts
    )
    return out.getvalue()
