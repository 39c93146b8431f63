"""What the verbs share: the locked row, and the step into the queue."""

from __future__ import annotations

from typing import Any

from opsconsole import change_runs
from opsconsole.clock import now
from opsconsole.dispatch import publish_on_commit
from opsconsole.models import Operation
from opsconsole.states import State
from opsconsole.transitions import move


def locked(operation: Operation) -> Operation:
    return Operation.objects.select_for_update(of=("self",)).get(pk=operation.pk)


def queue(operation: Operation, *, event: str, data: dict[str, Any] | None = None) -> Operation:
    """Queue for a worker, or, for a change of the console itself, do it within this transaction."""
    row = move(operation, State.QUEUED, event=event, run_after=now(), data=data)
    if row.kind == change_runs.KIND:
        return change_runs.execute(row)
    publish_on_commit(row)
    return row
