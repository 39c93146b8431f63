"""Long work on the server that says nothing until it ends (indexes, keys, statistics), attended from outside.

Once a second another session looks whether ours are at work. What it counts are seconds of work: they stand still
when the work waits for somebody's lock, so that a run that hangs can be told from one that is only long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from opsconsole.engines.postgresql.connect import LOOK, Connection, Connector

Value = TypeVar("Value")
TICK_SECONDS = 0.2
SAMPLE_SECONDS = 1.0


@dataclass(kw_only=True)
class Attendant:
    """`report` takes the seconds of work so far; `check` may raise to stop the work."""

    session: Connection
    label: str
    report: Callable[[int], None]
    check: Callable[[], None]
    seconds: int = 0
    _next: float = 0.0

    def tick(self) -> None:
        """Call this several times a second while the work goes on elsewhere."""
        self.check()
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + SAMPLE_SECONDS
        if self._at_work():
            self.seconds += 1
            self.report(self.seconds)

    def during(self, session: Connection, work: Callable[[], Value]) -> Value:
        """Do `work`, which uses `session`, in a thread of its own; the server is told to stop when `check` raises."""
        with ThreadPoolExecutor(1, thread_name_prefix="attended") as threads:
            future = threads.submit(work)
            try:
                while True:
                    try:
                        return future.result(TICK_SECONDS)
                    except StillRunning:
                        self.tick()
            except BaseException:
                if not future.done():
                    session.cancel_safe(timeout=5.0)
                raise

    def _at_work(self) -> bool:
        row = self.session.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND pid <> pg_backend_pid()"
            " AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock'",
            (self.label,),
        ).fetchone()
        return row is not None and row[0] > 0


@contextmanager
def attending(
    connector: Connector, maintenance: str | None, *, report: Callable[[int], None], check: Callable[[], None]
) -> Iterator[Attendant]:
    """An attendant that watches from the maintenance database, so that it never stands in the way of a swap."""
    with connector.session(LOOK, database=maintenance) as session:
        label = connector.parameters["application_name"]
        yield Attendant(session=session, label=label, report=report, check=check)
