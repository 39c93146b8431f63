"""Claims, leases, cancelling, waiting: what workers do with rows, and what messages cannot make them do."""

from __future__ import annotations

import os
import signal
import threading
from datetime import timedelta

import pytest

from opsconsole import operations, process, recovery, tasks, worker
from opsconsole.clock import now
from opsconsole.installation import MARK
from opsconsole.models import AuditEvent, Operation, OperationTarget
from opsconsole.states import State
from tests.support.cases import (
    environment_of,
    events_of,
    is_stopped_at_failpoint,
    runners_of,
    start_worker,
    state_of,
    wait_until,
    work,
)
from tests.support.console import MANAGE
from tests.support.registering import register
from tests.support.shops import SqliteShop


@pytest.fixture
def shop(console, cast):
    made = SqliteShop.make(console.files)
    made.row = register("shop", made.url, environment="development")
    return made


@pytest.fixture
def queued(shop, cast):
    return operations.request("backup", shop.row, {}, account=cast.ada)


def test_a_message_for_nothing_does_nothing(console):
    worker.run_operation(987654)
    assert not AuditEvent.objects.filter(type="op.claimed").exists()


def test_two_claims_of_one_operation_give_it_to_one(console, queued):
    assert worker.claim(queued.id) is not None
    assert worker.claim(queued.id) is None
    assert events_of(queued).count("op.claimed") == 1


def test_many_threads_claim_every_operation_once_and_never_two_on_one_target(console, shop, cast):
    rows = [operations.request("backup", shop.row, {}, account=cast.ada) for _ in range(6)]
    claimed: list[int] = []

    def grab() -> None:
        from django.db import connection

        claimed.extend(row.id for row in rows if worker.claim(row.id))
        connection.close()

    threads = [threading.Thread(target=grab) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 1
    assert OperationTarget.objects.filter(active=True).count() == 1
    waiting = Operation.objects.filter(state=State.QUEUED).exclude(waiting_for="")
    assert {row.waiting_for for row in waiting} == {f"operation {claimed[0]} works on the same target"}


def test_a_doubled_message_of_a_finished_operation_changes_nothing(console, queued):
    work(console, queued)
    before = (Operation.objects.values().get(pk=queued.pk), events_of(queued))
    work(console, queued)
    assert (Operation.objects.values().get(pk=queued.pk), events_of(queued)) == before


def test_every_step_of_a_backup_is_an_event(console, queued):
    work(console, queued)
    assert events_of(queued) == [
        "op.planned",
        "op.queued",
        "op.claimed",
        "op.armed",
        "backup.published",
        "op.succeeded",
    ]


def test_an_operation_of_a_newer_plan_format_is_left_for_a_newer_worker(console, queued, monkeypatch):
    monkeypatch.setattr(worker, "PLAN_FORMAT", 0)
    assert worker.claim(queued.id) is None
    queued.refresh_from_db()
    assert queued.state == State.QUEUED


def test_a_cancel_reaches_the_runner_and_leaves_nothing(console, shop, cast, queued):
    child = start_worker(console, queued, "backup.mid:sleep=20")
    wait_until(
        lambda: state_of(queued) == State.RUNNING and runners_of(queued),
        what="the runner",
    )
    operations.cancel(queued, account=cast.ada, reason="wrong day")
    child.wait(60)
    wait_until(lambda: state_of(queued) == State.CANCELLED, what="the cancel")
    assert shop.row.backups.count() == 0
    assert not [path for path in (console.home / "store").rglob("*") if path.is_file() and path.name != MARK]


def test_a_queued_operation_is_cancelled_at_once_and_its_message_finds_nothing(console, cast, queued):
    operations.cancel(queued, account=cast.ada)
    work(console, queued)
    assert state_of(queued) == State.CANCELLED


def test_a_runner_that_shows_no_progress_is_stopped(console, queued, monkeypatch):
    from lifecycle.kinds.backup import BackupKind

    monkeypatch.setattr(BackupKind, "stall_seconds", 1)
    row = work(console, queued, OPSCONSOLE_FAILPOINT="backup.mid:sleep=60")
    assert "no progress" in row.state_reason
    assert row.state == State.QUEUED  # a backup may be repeated


def test_a_run_past_its_deadline_is_stopped_and_a_restore_is_not_repeated(console, shop, cast, queued, monkeypatch):
    from lifecycle.kinds.restore import RestoreKind

    work(console, queued)
    monkeypatch.setattr(RestoreKind, "deadline_seconds", 1)
    restore = operations.request("restore", shop.row, {}, account=cast.ada, confirm="shop")
    row = work(console, restore, OPSCONSOLE_FAILPOINT="restore.staging_half:sleep=60")
    assert row.state == State.FAILED
    assert "not finished within" in row.state_reason
    assert shop.orders() == 200


def test_a_database_that_another_console_holds_makes_the_operation_wait(console, shop, queued):
    from opsconsole.databases import engine_for

    with engine_for(shop.row, session_label="opsconsole/77/5").hold():
        row = work(console, queued)
        assert row.state == State.QUEUED
        assert "77" in row.waiting_for
    Operation.objects.filter(pk=row.pk).update(run_after=None)
    assert work(console, queued).state == State.SUCCEEDED


def test_a_queued_operation_whose_time_is_over_expires(console, queued):
    Operation.objects.filter(pk=queued.pk).update(expires_at=now() - timedelta(seconds=1))
    tasks.expire()
    assert state_of(queued) == State.EXPIRED


@pytest.mark.serial
@pytest.mark.parametrize("console_backend", ["sqlite", pytest.param("postgresql", marks=pytest.mark.nightly)])
def test_a_worker_that_is_stopped_past_its_lease_writes_nothing_when_it_wakes(console, shop, cast, queued):
    work(console, queued)
    shop.lose(10)
    restore = operations.request("restore", shop.row, {}, account=cast.ada, confirm="shop")
    child = start_worker(console, restore, "restore.before_swap:stop")
    wait_until(lambda: is_stopped_at_failpoint(restore), what="the stop before the swap")
    frozen = runners_of(restore)
    stop_all([child.pid])
    with environment_of(console):
        wait_until(lambda: recovery.reap() is not None and state_of(restore) == State.FAILED, what="the reaper")
    resume([child.pid, *frozen])
    child.wait(60)
    assert state_of(restore) == State.FAILED
    assert shop.orders() == 10


def stop_all(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)


def resume(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue


def test_without_a_broker_the_ticker_starts_what_is_due(console, queued):
    ticker = process.spawn(console.argv("ticker"), env=console.env, cwd=MANAGE.parent)
    try:
        wait_until(lambda: state_of(queued) == State.SUCCEEDED, what="the backup")
    finally:
        process.stop(ticker)
    assert events_of(queued).count("op.claimed") == 1
