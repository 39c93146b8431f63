"""A worker that is told to stop: nothing new starts, what is before its commit point stops, the rest finishes."""

from __future__ import annotations

import signal

from opsconsole import operations, process
from opsconsole.models import Operation
from opsconsole.states import State
from tests.lifecycle.conftest import POSTGRESQL_AT_NIGHT
from tests.support.cases import events_of, start_worker, state_of, wait_until, work
from tests.support.console import MANAGE, Console

PATIENT = {"LEASE_SECONDS": "300", "SELF_FENCE_SECONDS": "200"}  # no lease runs out here: what ends, ends by draining


def asleep(console: Console, operation: Operation, failpoint: str) -> process.Child:
    """A worker whose runner sleeps at a failpoint, where a half-made file or copy of it can be seen."""
    worker = start_worker(console, operation, f"{failpoint}:sleep=3", **PATIENT)
    wait_until(lambda: state_of(operation) == State.RUNNING and operation.progress, f"{failpoint} of {operation}")
    return worker


def told_to_stop(worker: process.Child) -> None:
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(40) == 0


def test_a_backup_is_queued_again_at_once_and_the_next_worker_makes_it(console, cast, sqlite_shop):
    shop, row = sqlite_shop
    operation = operations.request("backup", row, {}, account=cast.ada)
    told_to_stop(asleep(console, operation, "backup.mid"))
    assert (state_of(operation), operation.attempts) == (State.QUEUED, 0)
    assert "shut down" in operation.state_reason
    assert (row.backups.count(), shop.leftovers()) == (0, [])
    assert work(console, operation).state == State.SUCCEEDED
    assert events_of(operation).count("op.claimed") == 2
    assert "op.lost" not in events_of(operation)


def test_a_restore_before_its_commit_point_ends_cancelled_and_says_why(console, cast, sqlite_shop):
    shop, row = sqlite_shop
    work(console, operations.request("backup", row, {}, account=cast.ada))
    shop.lose(10)
    operation = operations.request("restore", row, {}, account=cast.ada, confirm="shop")
    told_to_stop(asleep(console, operation, "restore.staging_half"))
    assert state_of(operation) == State.CANCELLED
    assert "worker was shut down" in operation.state_reason
    assert (shop.orders(), shop.leftovers()) == (10, [])


@POSTGRESQL_AT_NIGHT
def test_a_restore_at_its_commit_point_is_left_to_finish(console, cast, any_shop):
    shop, row = any_shop
    work(console, operations.request("backup", row, {}, account=cast.ada))
    shop.lose(10)
    operation = operations.request("restore", row, {}, account=cast.ada, confirm="shop")
    worker = start_worker(console, operation, "restore.in_swap:sleep=3", **PATIENT)
    wait_until(lambda: state_of(operation) == State.RUNNING and operation.witness, "the commit point")
    told_to_stop(worker)
    assert (state_of(operation), shop.orders()) == (State.SUCCEEDED, 200)


def test_a_ticker_that_stops_lets_what_it_has_started_stop_in_order(console, cast, sqlite_shop):
    _shop, row = sqlite_shop
    operation = operations.request("backup", row, {}, account=cast.ada)
    env = console.env | PATIENT | {"OPSCONSOLE_FAILPOINT": "backup.mid:sleep=3"}
    ticker = process.spawn(console.argv("ticker"), env=env, cwd=MANAGE.parent)
    wait_until(lambda: state_of(operation) == State.RUNNING and operation.progress, "the backup")
    told_to_stop(ticker)
    assert state_of(operation) == State.QUEUED
    assert "op.lost" not in events_of(operation)
