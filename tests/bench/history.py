"""The audit history: how fast events are appended by eight writers, and how fast the chain is verified.

`python -m tests.bench.history` is a process of a console: `grow COUNT` writes sealed events past the sealer, `verify
FROM` checks the chain from a link on, `append ours|peer COUNT` waits for a line and then appends, `seal` seals until
its input ends. Each prints one JSON line.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.bench import consoles, processes

AT_ONCE = 2000
COLUMNS = ("uid", "payload", "type", "at", "actor", "actor_name", "outcome", "operation_id", "database_id",
           "database_name", "kind")  # fmt: skip


def payload_of(number: int, at: datetime, subject: str = "") -> dict[str, Any]:
    """The `number`-th event: a login, or every second time the end of an operation, with data."""
    from opsconsole.audit.stamps import moment, uuid7

    login = number % 2 == 0
    return {
        "v": 1, "id": uuid7(at), "type": "auth.login" if login else "op.succeeded", "at": moment(at), "outcome": "ok",
        "reason": "", "before": "", "after": "", "data": {} if login else {"state": "succeeded", "votes": number % 3},
        "actor": {"key": "person:1", "kind": "human", "person": 1, "account": 1, "name": "Ada", "auth": "session",
                  "session": ""},
        "source": {"ip": "127.0.0.1", "user_agent": "", "request": "", "host": ""},
        "subject": {"operation": None, "kind": "backup", "title": "", "database": None, "name": "shop",
                    "environment": "development", "object": subject or f"event {number}"},
    }  # fmt: skip


def grow(count: int) -> dict[str, Any]:
    """Write and seal so many events, and a checkpoint at the end; faster than the console, which writes one by one."""
    from django.db import connection, transaction

    from opsconsole import audit
    from opsconsole.models import AuditEvent, AuditSeal
    from opsconsole.verify_audit import START, leaf_of, link

    newest, last = AuditEvent.objects.order_by("-id").first(), AuditSeal.objects.order_by("-seq").first()
    number, seq, previous = newest.pk if newest else 0, last.seq if last else 0, bytes(last.hash) if last else START
    begin = datetime.now(UTC)
    marks = ", ".join(["%s"] * (len(COLUMNS) + 1))
    insert = f"INSERT INTO opsconsole_auditevent (id, {', '.join(COLUMNS)}) VALUES ({marks})"
    for _ in range(0, count, AT_ONCE):
        events, seals = [], []
        for _ in range(AT_ONCE):
            number, seq = number + 1, seq + 1
            events.append([number, *_values(payload_of(number, begin + timedelta(microseconds=seq)))])
            previous, before = link(previous, seq, leaf_of(events[-1][2])), previous
            seals.append([seq, number, before, previous])
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(insert, events)
            cursor.executemany(
                "INSERT INTO opsconsole_auditseal (seq, event_id, previous, hash) VALUES (%s, %s, %s, %s)", seals
            )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT setval(pg_get_serial_sequence('opsconsole_auditevent', 'id'), %s)", [number])
            cursor.execute("ANALYZE")
    audit.checkpoint(force=True)
    return {"events": seq}


def _values(payload: dict[str, Any]) -> list[Any]:
    from django.db import connection

    from opsconsole.audit.record import columns

    exact = json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()  # canonical, for texts like these
    found = columns(payload) | {"payload": exact}
    if connection.vendor == "sqlite":
        found["at"] = found["at"].strftime("%Y-%m-%d %H:%M:%S.%f")
    return [found[name] for name in COLUMNS]


def verify(first: int) -> dict[str, Any]:
    """Check the chain from a link on. `growth` is by how many bytes the process grew meanwhile."""
    from opsconsole import audit

    began, used, before = time.monotonic(), time.process_time(), processes.high_water()
    report = audit.verify(first)
    wall, cpu = time.monotonic() - began, time.process_time() - used
    assert not report.findings, report.as_text()
    return {"wall": wall, "cpu": cpu, "events": report.events, "growth": processes.high_water() - before}


def append(how: str, count: int) -> dict[str, Any]:
    """Append so many events, each in its own durable transaction, once a line has come in."""
    from django.db import connection

    act = {"ours": _append, "peer": _append_under_lock}[how]
    act(0)  # opens the connection, and what is made once is made
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    for number in range(count):
        act(number)
    ended = time.monotonic()
    connection.close()
    return {"began": began, "ended": ended}


def _append(number: int) -> None:
    from opsconsole import audit

    audit.record("auth.login", subject=f"login {number}")


def _append_under_lock(number: int) -> None:
    """What most histories do: one writer at a time reads the last link and writes the next."""
    from django.db import connection, transaction

    from opsconsole.audit.record import columns
    from opsconsole.models import AuditEvent, AuditSeal
    from opsconsole.plans import canonical_json
    from opsconsole.verify_audit import START, leaf_of, link

    payload = payload_of(0, datetime.now(UTC), f"login {number}")
    exact, index = canonical_json(payload), columns(payload)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(1870033507, 9)")
        seq, previous = AuditSeal.objects.order_by("-seq").values_list("seq", "hash").first() or (0, START)
        event = AuditEvent.objects.create(payload=exact, **index)
        following = link(bytes(previous), seq + 1, leaf_of(exact))
        AuditSeal.objects.create(seq=seq + 1, event=event, previous=bytes(previous), hash=following)


def seal() -> dict[str, Any]:
    """Seal beside the writers, as a ticker does; goes on to the end once its input has ended."""
    from opsconsole import audit

    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    sealed = 0
    while not over.wait(0.2):
        sealed += audit.seal_all()
    return {"sealed": sealed + audit.seal_all(), "ended": time.monotonic()}


def main(words: list[str]) -> None:
    consoles.enter()
    act, *given = words
    if act == "grow":
        consoles.migrate()
    acts = {
        "grow": lambda: grow(int(given[0])),
        "verify": lambda: verify(int(given[0])),
        "append": lambda: append(given[0], int(given[1])),
        "seal": seal,
    }
    print(json.dumps(acts[act]()))


if __name__ == "__main__":
    main(sys.argv[1:])
