"""Exports of the history as streams of text: JSON lines that prove themselves, and CSV for a spreadsheet.

The first line is `{"export":{"filters":{...},"format":1,"until_seq":N}}`. Then comes a line for each event,
`{"event":PAYLOAD,"seal":{"hash":HEX,"number":ID,"previous":HEX,"seq":N}}`, where PAYLOAD is the sealed bytes as they
are, in the order of the chain; the checkpoints that cover them (`{"checkpoint":NOTE}`) come last. What reads it is
opsconsole/verify_audit.py.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db.models import QuerySet

from opsconsole import spreadsheets
from opsconsole.audit.checkpoints import checkpoint
from opsconsole.audit.reading import Filters
from opsconsole.audit.record import record
from opsconsole.audit.sentences import sentence, told_by
from opsconsole.exceptions import Usage
from opsconsole.models import AuditCheckpoint, AuditEvent, AuditSeal
from opsconsole.plans import canonical_json

CHUNK = 500
FORMATS = ("jsonl", "csv")
_HEADINGS = (
    "seq", "id", "at", "type", "sentence", "actor", "name", "actor_kind", "auth", "ip", "request", "host", "outcome",
    "operation", "kind", "title", "database", "environment", "object", "reason", "before", "after", "data", "hash",
)  # fmt: skip


class Row(NamedTuple):
    """One sealed event; hashes are hexadecimal."""

    seq: int
    number: int
    previous: str
    hash: str
    uid: str
    payload: bytes


def export(format: str, filters: Filters | None = None) -> Iterator[str]:
    """Record the export as an event of its own, then give the sealed events that fit, piece by piece.

    Raises Usage for an unknown format or person. Memory stays the same whatever the size.
    """
    if format not in FORMATS:
        raise Usage("bad_format", f"The history cannot be exported as {format}.", f"Use one of: {', '.join(FORMATS)}.")
    filters = filters or Filters()
    wanted = filters.of(AuditEvent.objects.all())
    last = _covered_head()
    told = {"format": format, "filters": filters.as_texts(), "until_seq": last}
    record("audit.exported", data=told)
    rows = _sealed(wanted, last)
    return _jsonl(rows, told | {"format": 1}) if format == "jsonl" else _csv(rows)


def _covered_head() -> int:
    """The last link, under a checkpoint that was made for this; without one (a full disk, say) the last link alone."""
    before = _head()
    checkpoint(force=True)
    covered = AuditCheckpoint.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    return covered if covered >= before and covered else _head()


def _head() -> int:
    return AuditSeal.objects.order_by("-seq").values_list("seq", flat=True).first() or 0


def _sealed(wanted: QuerySet[AuditEvent], last: int) -> Iterator[Row]:
    """Rows in the order of the chain, a chunk at a time; plain values, because models would wait for the collector."""
    after = 0
    while True:
        rows = wanted.filter(seal__seq__gt=after, seal__seq__lte=last).order_by("seal__seq")
        chunk = list(rows.values_list("seal__seq", "id", "seal__previous", "seal__hash", "uid", "payload")[:CHUNK])
        for seq, number, previous, link, uid, payload in chunk:
            yield Row(seq, number, bytes(previous).hex(), bytes(link).hex(), uid, bytes(payload))
        if len(chunk) < CHUNK:
            return
        after = chunk[-1][0]


def _jsonl(rows: Iterator[Row], told: dict[str, Any]) -> Iterator[str]:
    yield canonical_json({"export": told}).decode() + "\n"
    first = last = 0
    for row in rows:
        first, last = first or row.seq, row.seq
        place = canonical_json(
            {"hash": row.hash, "number": row.number, "previous": row.previous, "seq": row.seq}
        ).decode()
        yield f'{{"event":{row.payload.decode("utf-8", "replace")},"seal":{place}}}\n'
    for note in _covering(first, last):
        yield canonical_json({"checkpoint": note}).decode() + "\n"


def _covering(first: int, last: int) -> Iterator[str]:
    """The checkpoints within the exported links, and the first one after them."""
    rows = AuditCheckpoint.objects.order_by("seq").values_list("note", flat=True)
    if not last:
        return
    yield from rows.filter(seq__gte=first, seq__lt=last).iterator(chunk_size=CHUNK)
    yield from rows.filter(seq__gte=last)[:1]


def _csv(rows: Iterator[Row]) -> Iterator[str]:
    yield _line(_HEADINGS)
    for row in rows:
        yield _line(_cells(row))


def _cells(row: Row) -> tuple[Any, ...]:
    told = told_by(row.payload)
    actor, source, subject = (told.get(part) or {} for part in ("actor", "source", "subject"))
    return (
        row.seq, row.uid, told.get("at"), told.get("type"), sentence(told),
        actor.get("key"), actor.get("name"), actor.get("kind"), actor.get("auth"),
        source.get("ip"), source.get("request"), source.get("host"),
        told.get("outcome"), subject.get("operation"), subject.get("kind"), subject.get("title"), subject.get("name"),
        subject.get("environment"), subject.get("object"), told.get("reason"), told.get("before"), told.get("after"),
        json.dumps(told.get("data") or {}, ensure_ascii=False, sort_keys=True), row.hash,
    )  # fmt: skip


def _line(cells: tuple[Any, ...]) -> str:
    """One line with every cell quoted; a cell that a spreadsheet would take for a formula gets a leading apostrophe."""
    out = io.StringIO()
    texts = ("" if cell is None else str(cell) for cell in cells)
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow(map(spreadsheets.defused, texts))
    return out.getvalue()
