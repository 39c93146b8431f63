"""Leases: a worker that does not beat fences itself; one that sleeps past its lease is replaced, again and again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from opsconsole import operations, process, recovery
from opsconsole.models import Operation
from opsconsole.states import State
from tests.lifecycle.conftest import stored_files
from tests.support.cases import (
    environment_of,
    events_of,
    runners_of,
    start_worker,
    state_of,
    stopped_at,
    wait_until,
    work,
)
from tests.support.console import Console

ROUNDS = int(os.environ.get("LEASE_ROUNDS", "50"))
pytestmark = pytest.mark.serial


def test_a_worker_whose_beats_do_not_arrive_ends_its_own_runner(console, cast, sqlite_shop):
    _shop, row = sqlite_shop
    operation = operations.request("backup", row, {}, account=cast.ada)
    worker = start_worker(console, operation, "beat.skip:on,backup.mid:sleep=60")
    wait_until(lambda: runners_of(operation), "the runner")
    assert worker.wait(30) == 0
    assert state_of(operation) == State.QUEUED
    assert "its lease could not be confirmed for 1.8 seconds" in operation.state_reason
    assert (runners_of(operation), stored_files(console)) == ([], [])


@contextmanager
def load(processes: int) -> Iterator[None]:
    """So many programs that do nothing but compute."""
    busy = [process.spawn([process.python(), "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for child in busy:
            process.stop(child, grace=0.1)


def slept_past_its_lease(console: Console, operation: Operation) -> None:
    """Stop a worker and its runner, let another worker take over and finish, then wake the first one."""
    worker = stopped_at(console, operation, "backup.mid")
    asleep = [worker.pid, *runners_of(operation)]
    os.kill(worker.pid, signal.SIGSTOP)
    with environment_of(console):
        wait_until(lambda: recovery.reap() is not None and state_of(operation) == State.QUEUED, "the take-over")
    Operation.objects.filter(pk=operation.pk).update(run_after=None)
    assert work(console, operation, LEASE_SECONDS="60").state == State.SUCCEEDED
    before = (Operation.objects.values().get(pk=operation.pk), events_of(operation), stored_files(console))
    for pid in asleep:
        if process.alive(pid):
            os.kill(pid, signal.SIGCONT)
    worker.wait(60)
    assert (Operation.objects.values().get(pk=operation.pk), events_of(operation), stored_files(console)) == before
    assert [events_of(operation).count(name) for name in ("op.claimed", "op.lost", "op.succeeded")] == [2, 1, 1]


@pytest.mark.nightly
def test_fifty_workers_in_turn_lose_their_lease_under_load(
    console: Console, cast: Any, sqlite_shop: Any, settings: Any
) -> None:
    _shop, row = sqlite_shop
    settings.SELF_FENCE_SECONDS, settings.LEASE_SECONDS = 20.0, 30.0  # of the one that finishes: it may be starved
    with load(processes=4):
        for number in range(ROUNDS):
            operation = operations.request("backup", row, {}, account=cast.ada)
            slept_past_its_lease(console, operation)
            assert row.backups.count() == number + 1
