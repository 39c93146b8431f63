"""What many tests begin with: people, a registered database, a worker that runs what is queued."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from opsconsole import process
from tests.support.console import MANAGE, Console
from tests.support.waiting import process_state, wait_until


def start_worker(
    console: Console,
    operation: Any,
    failpoint: str = "",
    *,
    prefix: Sequence[str] = (),
    said: IO[bytes] | None = None,
    **extra: str,
) -> process.Child:
    """A process that claims and supervises one operation, as a pool child of Celery does.

    `prefix` is a program (and its options) that starts it; `said` takes what it logs.
    """
    argv = [*prefix, process.python(), "-m", "opsconsole.worker_process", str(operation.id)]
    asked = {"OPSCONSOLE_FAILPOINT": failpoint} if failpoint else {}
    return process.spawn(argv, env=console.env | asked | extra, cwd=MANAGE.parent, stdout=said, stderr=said)


def stopped_at(console: Console, operation: Any, failpoint: str, **extra: Any) -> process.Child:
    """A worker whose runner has stopped (SIGSTOP) at a failpoint; the worker itself goes on."""
    worker = start_worker(console, operation, f"{failpoint}:stop", **extra)
    wait_until(lambda: is_stopped_at_failpoint(operation) or worker.poll() is not None, f"the stop at {failpoint}")
    assert worker.poll() is None, f"the operation ended before {failpoint}"
    return worker


def runners_of(operation: Any) -> list[int]:
    """Process ids of the operation's present run, the worker itself left out."""
    from opsconsole.instance import instance_id

    operation.refresh_from_db()
    return process.marked(f"{operation.id}.{operation.fence}", instance=instance_id())


def is_stopped_at_failpoint(operation: Any) -> bool:
    """Whether a process of the operation's present fence has been stopped (SIGSTOP), as the action `stop` does."""
    return "T" in {process_state(pid) for pid in runners_of(operation)}


def state_of(operation: Any) -> str:
    """The state of an operation, as it is in the database now."""
    operation.refresh_from_db()
    return str(operation.state)


def events_of(operation: Any) -> list[str]:
    """The types of an operation's events, in their order."""
    from opsconsole.models import AuditEvent

    return list(AuditEvent.objects.filter(operation_id=operation.id).order_by("id").values_list("type", flat=True))


@contextmanager
def environment_of(console: Console, **extra: str) -> Iterator[None]:
    """Make this process's environment that of the console, so that a supervisor here starts runners of it."""
    before = dict(os.environ)
    os.environ.update(console.env | extra)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def work(console: Console, operation: Any, **extra: str) -> Any:
    """Do what a worker's pool child does with an operation's message; gives back the row as it is afterwards."""
    from opsconsole import worker

    with environment_of(console, **extra):
        worker.run_operation(operation.id)
    operation.refresh_from_db()
    return operation


def typed(operation: Any) -> Any:
    """What an approver types for this operation's plan: the database's name and its number."""
    from opsconsole.operations import Typed

    plan = operation.plan
    return Typed(name=plan.target().database, number=str(plan.confirmation.number)) if plan.confirmation else Typed()


def make_shop(path: Path, *, rows: int = 200, journal: str = "WAL") -> Path:
    """A small SQLite file with keys, an index and `rows` orders of ten customers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA journal_mode={journal}")
        db.executescript(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
            "CREATE TABLE orders (id INTEGER PRIMARY KEY,"
            " customer_id INTEGER NOT NULL REFERENCES customers(id), cents INTEGER);"
            "CREATE INDEX idx_orders_customer ON orders(customer_id);"
        )
        db.executemany("INSERT INTO customers VALUES (?, ?)", [(n, f"customer {n}") for n in range(1, 11)])
        db.executemany("INSERT INTO orders VALUES (?, ?, ?)", [(n, n % 10 + 1, n * 5) for n in range(1, rows + 1)])
    db.close()
    return path


def count_orders(path: Path) -> int:
    """How many orders the shop holds, once its integrity has been checked."""
    db = sqlite3.connect(path)
    try:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(db.execute("SELECT count(*) FROM orders").fetchone()[0])
    finally:
        db.close()


def lose_orders(path: Path, keep: int) -> None:
    """Damage the shop: all but the first `keep` orders are gone."""
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM orders WHERE id > ?", (keep,))
    db.close()
