"""What every case ends in: a class of failure with a next step, nothing left, and a console that goes on."""

from __future__ import annotations

from typing import Any

import pytest

from opsconsole import operations, recovery
from opsconsole.models import Operation, OperationTarget
from opsconsole.states import TERMINAL, State
from tests.lifecycle.conftest import stored_files
from tests.support.cases import environment_of, runners_of, wait_until, work
from tests.support.console import Console


class Aftermath:
    """Judges a run that went wrong, and what comes after it."""

    def __init__(self, console: Console, cast: Any) -> None:
        self.console = console
        self.cast = cast

    def failed(self, operation: Operation, *codes: str) -> None:
        """It failed for one of these causes, and says what to do."""
        operation.refresh_from_db()
        assert (operation.state, operation.failure_code in codes) == (State.FAILED, True), told(operation)
        assert operation.failure_why and operation.failure_next
        assert "Traceback" not in operation.failure_why + operation.state_reason

    def nothing_left(self, operation: Operation, shop: Any) -> None:
        """No part file, folder, staging copy, session, lock or process."""
        names = [path.name for path in stored_files(self.console)]
        assert not [name for name in names if name.endswith(".part")]
        work_folder = self.console.home / "store" / "work"
        assert not work_folder.exists() or not list(work_folder.iterdir())
        wait_until(lambda: not shop.leftovers(), f"the end of what is left: {shop.leftovers()}", seconds=10)
        assert not OperationTarget.objects.filter(active=True).exists()
        assert not runners_of(operation)

    def nothing_listed(self, row: Any, *, backups: int = 0) -> None:
        manifests = [path for path in stored_files(self.console) if path.name == "manifest.json"]
        assert (row.backups.count(), len(manifests)) == (backups, backups)

    def goes_on(self, row: Any) -> Operation:
        """The next operation on the same target succeeds."""
        after = work(self.console, operations.request("backup", row, {}, account=self.cast.ada))
        assert after.state == State.SUCCEEDED, told(after)
        return after

    def settled(self, operation: Operation, **extra: str) -> Operation:
        """Let the ticks do what they do until the operation has an end, or waits for its next attempt."""
        with environment_of(self.console, **extra):
            wait_until(lambda: self._has_end(operation), f"an end of operation {operation.id}", seconds=40)
        return operation

    def _has_end(self, operation: Operation) -> bool:
        recovery.reap()
        operation.refresh_from_db()
        return operation.state in TERMINAL or operation.state == State.QUEUED


def told(operation: Operation) -> str:
    """For the message of an assertion."""
    lines = "\n".join(operation.lines.values_list("text", flat=True))
    return f"{operation.state}: {operation.failure_code} {operation.failure_why} ({operation.state_reason})\n{lines}"


@pytest.fixture
def aftermath(console: Console, cast: Any) -> Aftermath:
    return Aftermath(console, cast)


def last_attempt(operation: Operation) -> Operation:
    """A backup is tried three times; this makes the next attempt the last one."""
    Operation.objects.filter(pk=operation.pk).update(attempts=recovery.MOST_ATTEMPTS - 1)
    return operation
