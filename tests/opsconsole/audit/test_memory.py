"""Memory stays the same whatever the length of the history."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import datetime, timedelta

from opsconsole import audit
from opsconsole.audit.export import export
from opsconsole.audit.stamps import moment, uuid7
from opsconsole.clock import now
from opsconsole.models import AuditEvent, AuditSeal
from opsconsole.plans import canonical_json
from opsconsole.verify_audit import START, columns, leaf_of, link
from tests.support.console import Console

SMALL, LARGE = 2_000, 10_000
MARGIN = 1.5 * 2**20  # bytes


def grow_to(count: int) -> None:
    """Write and seal so many events at once, faster than the console would."""
    last = AuditSeal.objects.order_by("-seq").first()
    seq, previous = (last.seq, bytes(last.hash)) if last else (0, START)
    begin = now()
    while seq < count:
        numbers = range(seq + 1, seq + 501)
        payloads = [_payload(begin + timedelta(microseconds=number), number) for number in numbers]
        rows = [AuditEvent(payload=canonical_json(told), **columns(told)) for told in payloads]
        seals = []
        for event in AuditEvent.objects.bulk_create(rows):
            seq += 1
            following = link(previous, seq, leaf_of(event.payload))
            seals.append(AuditSeal(seq=seq, event=event, previous=previous, hash=following))
            previous = following
        AuditSeal.objects.bulk_create(seals)


def _payload(at: datetime, number: int) -> dict[str, object]:
    return {
        "v": 1, "id": uuid7(at), "type": "auth.login", "at": moment(at), "outcome": "ok", "reason": "", "before": "",
        "after": "", "data": {},
        "actor": {"key": "person:1", "kind": "human", "person": 1, "account": 1, "name": "Ada", "auth": "session",
                  "session": ""},
        "source": {"ip": "", "user_agent": "", "request": "", "host": ""},
        "subject": {"operation": None, "kind": "", "title": "", "database": None, "name": "", "environment": "",
                    "object": f"login {number}"},
    }  # fmt: skip


def peak(work: Callable[[], object]) -> int:
    """Bytes that Python held at most while working."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _export(format: str) -> None:
    for _ in export(format):
        pass


WORK: dict[str, Callable[[], object]] = {
    "verify": audit.verify,
    "jsonl": lambda: _export("jsonl"),
    "csv": lambda: _export("csv"),
}


def test_memory_is_flat_between_two_sizes(console: Console) -> None:
    grow_to(SMALL)
    small = {name: peak(work) for name, work in WORK.items()}
    grow_to(LARGE)
    large = {name: peak(work) for name, work in WORK.items()}
    assert {name: large[name] < small[name] + MARGIN for name in WORK} == dict.fromkeys(WORK, True), (small, large)
    audit.checkpoint(force=True)
    assert audit.verify().verdict == "sound"
