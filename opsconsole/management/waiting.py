"""Waiting for the end of an operation, with a progress bar on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from opsconsole.clock import now
from opsconsole.models import Operation, WorkerHost
from opsconsole.states import TERMINAL, State

POLL_SECONDS = 0.3
WORKER_SILENT = timedelta(seconds=60)
_ENDS = TERMINAL | {State.INDETERMINATE}


class Show(Protocol):
    def __call__(self, operation: Operation) -> None: ...


def wait_for(operation: Operation, seconds: float) -> Operation:
    """The row at its end, or as it is after `seconds` (may be infinite)."""
    deadline = time.monotonic() + seconds
    with _bar() as show:
        while True:
            operation = Operation.objects.select_related("database", "requester").get(pk=operation.pk)
            show(operation)
            left = deadline - time.monotonic()
            if operation.state in _ENDS or left <= 0:
                return operation
            time.sleep(min(POLL_SECONDS, left))


def nobody_works() -> bool:
    """Whether no worker was seen lately, so that a queued operation would wait for one."""
    return not WorkerHost.objects.filter(seen_at__gt=now() - WORKER_SILENT).exists()


@contextmanager
def _bar() -> Iterator[Show]:
    if not sys.stderr.isatty():
        yield lambda operation: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None, unit="")

        def show(operation: Operation) -> None:
            facts: dict[str, Any] = operation.progress
            step = operation.waiting_for or facts.get("step") or operation.face.word
            progress.update(
                task, description=step, completed=facts.get("done", 0), total=facts.get("total") or None,
                unit=facts.get("unit", ""),
            )  # fmt: skip

        yield show
