"""Verifying the history: one pass over the chain at constant memory, then the comparison with the rows it tells of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Q

from opsconsole import triggers
from opsconsole.audit.anchors import Anchors, from_file, from_table
from opsconsole.audit.chain import START, leaf_of, link
from opsconsole.audit.checkpoints import KEY, anchors_path
from opsconsole.audit.findings import Report
from opsconsole.audit.reconciliation import reconcile
from opsconsole.audit.record import columns, record
from opsconsole.clock import now
from opsconsole.exceptions import Usage
from opsconsole.keys import public_keys
from opsconsole.models import AuditEvent, AuditPending, AuditSeal
from opsconsole.plans import canonical_json

CHUNK = 1000
UNSEALED_LIMIT = timedelta(seconds=60)
CLOCK_SLACK = timedelta(seconds=5)
COLUMNS = (
    "uid", "type", "at", "actor", "actor_name", "outcome", "operation_id", "database_id", "database_name", "kind",
)  # fmt: skip


def verify(from_seq: int = 1, anchors: Path | None = None) -> Report:
    """Check everything from link `from_seq` on; the link before it is taken as given. Changes nothing.

    `anchors` is a file of checkpoints from outside the database (default: the console's own). Raises Usage when
    `from_seq` is not between 1 and the head.
    """
    head = AuditSeal.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    if not 1 <= from_seq <= max(head, 1):
        raise Usage("bad_value", f"There is no link {from_seq}: the chain goes from 1 to {head}.", "Use --from 1.")
    report = Report(from_seq=from_seq, to_seq=head)
    keys = public_keys(settings.OPSCONSOLE_HOME, KEY)
    path = anchors or anchors_path()
    with from_file(path, keys, report) as outside, from_table(keys, report) as inside:
        _walk(report, (outside, inside))
        _compare_anchors(report, outside, inside, path)
    _check_unsealed(report)
    for problem in triggers.problems():
        report.add("guards", "database", problem)
    reconcile(report)
    return report


def verify_and_record(from_seq: int = 1, anchors: Path | None = None) -> Report:
    """Verify, and record that it was done and what came of it."""
    report = verify(from_seq, anchors)
    record(
        "audit.verified", outcome="ok" if report.exit_code == 0 else "failed",
        data={"verdict": report.verdict, "from_seq": report.from_seq, "to_seq": report.to_seq,
              "checkpoints": report.checkpoints, "findings": report.findings_in_all},
    )  # fmt: skip
    return report


def _walk(report: Report, anchors: Sequence[Anchors]) -> None:
    """Follow the chain link by link."""
    expected, previous = report.from_seq, _link_before(report.from_seq)
    clock = _Clock(report)
    for row in _links(report.from_seq, report.to_seq):
        seq, payload = row["seq"], bytes(row["event__payload"])
        if seq != expected:
            report.add("gap", f"seq {expected}", f"Links {expected} to {seq - 1} are missing, or their events are.")
            previous = bytes(row["previous"])
        following = link(previous, seq, leaf_of(payload))
        if bytes(row["previous"]) != previous:
            report.add("order", f"seq {seq}", "It does not follow the link before it.")
        if bytes(row["hash"]) != following:
            report.add(
                "payload", f"seq {seq}", f"The stored bytes of event {row['event_id']} are not those that were sealed."
            )
        _check_event(report, row, payload, clock)
        for source in anchors:
            source.meet(seq, following)
        expected, previous = seq + 1, bytes(row["hash"])
        report.events += 1
    if expected <= report.to_seq:
        report.add("gap", f"seq {expected}", f"Links {expected} to {report.to_seq} are missing, or their events are.")
    for source in anchors:
        source.finish(report.to_seq)


def _links(first: int, last: int) -> Iterator[dict[str, Any]]:
    """Links with their events in order, a chunk at a time, so that memory stays flat on every backend."""
    after = first - 1
    fields = ["seq", "event_id", "previous", "hash", "event__payload", *(f"event__{name}" for name in COLUMNS)]
    while True:
        rows = list(AuditSeal.objects.filter(seq__gt=after, seq__lte=last).order_by("seq").values(*fields)[:CHUNK])
        yield from rows
        if len(rows) < CHUNK:
            return
        after = rows[-1]["seq"]


def _link_before(seq: int) -> bytes:
    found = AuditSeal.objects.filter(seq=seq - 1).values_list("hash", flat=True).first()
    return bytes(found) if found is not None else START


class _Clock:
    """Time runs forward in the order in which events were written (their ids).

    That is not quite the order of the chain: what a slow transaction wrote early is sealed late, when it commits.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._newest, self._latest = 0, datetime.fromtimestamp(0, UTC)

    def see(self, event_id: int, at: datetime, where: str) -> None:
        if event_id < self._newest:
            return
        if at < self._latest - CLOCK_SLACK:
            why = f"Event {event_id} is {self._latest - at} older than one that was written before it."
            self._report.add("time", where, why)
        self._newest, self._latest = event_id, max(at, self._latest)


def _check_event(report: Report, row: dict[str, Any], payload: bytes, clock: _Clock) -> None:
    """Compare one event's index columns with its payload, and its time with those before it."""
    where = f"seq {row['seq']}"
    try:
        told = json.loads(payload)
        told_columns, is_canonical = columns(told), _is_canonical(payload, told)
        clock.see(row["event_id"], told_columns["at"], where)
    except (ValueError, KeyError, TypeError):
        report.add("payload", where, f"Event {row['event_id']} holds no event in its payload.")
        return
    if not is_canonical:
        report.add("payload", where, f"The payload of event {row['event_id']} is not in its canonical form.")
    wrong = sorted(name for name, value in told_columns.items() if row[f"event__{name}"] != value)
    if wrong:
        report.add("index", where, f"Columns of event {row['event_id']} differ from its payload: {', '.join(wrong)}.")


def _is_canonical(payload: bytes, told: Any) -> bool:
    """Whether the bytes are in the one form for what they say. The C encoder agrees with RFC 8785 on nearly all."""
    quick = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return quick == payload or canonical_json(told) == payload


def _compare_anchors(report: Report, outside: Anchors, inside: Anchors, path: Path) -> None:
    report.checkpoints = outside.count + inside.count
    report.last_checkpoint = max(outside.last, inside.last)
    if outside.missing:
        report.unproven.append(f"There is no checkpoint file {path}; give the copy that was kept with --anchors.")
    elif outside.count < inside.count:
        report.unproven.append(f"{path} holds {outside.count} checkpoints, the table {inside.count}: the file was cut.")
    if not outside.missing and not outside.count and report.to_seq:
        report.unproven.append(
            "No checkpoint outside the database covers the chain yet; one is made every five minutes."
        )


def _check_unsealed(report: Report) -> None:
    lost = AuditEvent.objects.filter(Q(seal=None) & Q(pending=None)).order_by("id").values_list("id", flat=True)
    for event_id in lost.iterator(chunk_size=CHUNK):
        report.add("unsealed", f"event {event_id}", "It is in no link of the chain and waits for none.")
    late = AuditPending.objects.filter(event__at__lt=now() - UNSEALED_LIMIT).order_by("event_id")
    for event_id in late.values_list("event_id", flat=True).iterator(chunk_size=CHUNK):
        report.add("unsealed", f"event {event_id}", "It has waited for its seal for more than a minute.")
    twice = AuditPending.objects.exclude(event__seal=None).values_list("event_id", flat=True)
    for event_id in twice.iterator(chunk_size=CHUNK):
        report.add("unsealed", f"event {event_id}", "It is sealed and still waits to be.")
