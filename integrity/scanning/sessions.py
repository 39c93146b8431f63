"""Looking at several tables at once: each in a session of its own, all at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from queue import SimpleQueue
from typing import TypeVar

from integrity.checks.base import Moment, Progress
from opsconsole.engines.inquiry import TICK_SECONDS, AskFailed, Inquiry
from opsconsole.exceptions import TargetProblem

T = TypeVar("T")


class _Stopped(Exception):
    """Another thread's work failed, or somebody asked to stop."""


def each(
    moment: Moment, tables: Sequence[str], work: Callable[[Moment, str], T], most: int, progress: Progress
) -> dict[str, T]:
    """What `work` gives for each table, in at most so many sessions at once, the first tables first.

    Where no other session can be had (a moment that is gone, no connection left), all is done in the one that there
    is. Raises what `work` raises, when all threads have ended.
    """
    with _beside(moment.inquiry, min(most, len(tables))) as others:
        if len(others) > 1:
            return _shared_out(moment, tables, work, others, progress)
    found = {}
    for done, table in enumerate(tables):
        progress(done, len(tables), table)
        found[table] = work(moment, table)
    return found


@contextmanager
def _beside(inquiry: Inquiry, number: int) -> Iterator[list[Inquiry]]:
    with ExitStack() as stack:
        others: list[Inquiry] = []
        try:
            while number > 1 and len(others) < number:
                others.append(stack.enter_context(inquiry.beside()))
        except (AskFailed, TargetProblem):  # if the database is gone, the next question tells
            pass
        yield others


def _shared_out(
    moment: Moment,
    tables: Sequence[str],
    work: Callable[[Moment, str], T],
    others: Sequence[Inquiry],
    progress: Progress,
) -> dict[str, T]:
    free: SimpleQueue[Inquiry] = SimpleQueue()
    for other in others:
        free.put(other)
    stop = threading.Event()

    def look() -> None:
        if stop.is_set():
            raise _Stopped

    def one(table: str) -> T:
        look()
        other = free.get()
        try:
            with other.ticked(look):
                return work(replace(moment, inquiry=other), table)
        finally:
            free.put(other)

    with ThreadPoolExecutor(len(others), thread_name_prefix="scanning") as threads:
        running = {threads.submit(one, table): table for table in tables}
        try:
            return _gathered(moment, running, progress)
        except BaseException:
            stop.set()
            raise


def _gathered(moment: Moment, running: dict[Future[T], str], progress: Progress) -> dict[str, T]:
    """Wait for all; progress is told, and cancelling looked for, in the thread that asked for all this."""
    found: dict[str, T] = {}
    left = set(running)
    while left:
        progress(len(found), len(running), next(table for future, table in running.items() if future in left))
        done: set[Future[T]] = set()
        while not done:
            done, left = wait(left, TICK_SECONDS, FIRST_COMPLETED)
            moment.inquiry.tick()
        found |= {running[future]: future.result() for future in done}
    return found
