"""What many tests begin with: people, a registered database, a worker that runs what is queued."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.console import Console

PATIENCE = 60.0


def wait_until(claim: Callable[[], Any], *, seconds: float = PATIENCE, what: str = "it") -> Any:
    """Poll until `claim()` is true; gives its value back. Fails with `what` past the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := claim():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} seconds")


def is_stopped_at_failpoint(operation: Any) -> bool:
    """Whether a process of the operation's present fence has been stopped (SIGSTOP), as the action `stop` does."""
    from opsconsole import process

    operation.refresh_from_db()
    return "T" in {process_state(pid) for pid in process.marked(f"{operation.id}.{operation.fence}")}


def process_state(pid: int) -> str:
    """The kernel's letter for a process (R, S, T, Z ...); empty for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


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
