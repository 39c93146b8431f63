"""What is left after failures, second recoveries and silent targets: nothing that nobody lists, nothing unsaid."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pyrage import x25519

from lifecycle.backups import sweeping
from opsconsole import operations, process, recovery
from opsconsole.clock import now
from opsconsole.databases import engine_for
from opsconsole.models import Operation
from opsconsole.states import State
from tests.lifecycle.conftest import POSTGRESQL_AT_NIGHT, stored_files
from tests.support.cases import environment_of, is_stopped_at_failpoint, typed, wait_until, work
from tests.support.console import MANAGE, Console
from tests.support.registering import register
from tests.support.shops import SqliteShop


def crash(console: Console, operation: Operation, failpoint: str) -> process.Child:
    """Stop the runner at a failpoint and kill its worker; the row still says running."""
    argv = [process.python(), "-m", "opsconsole.worker_process", str(operation.id)]
    env = console.env | {"OPSCONSOLE_FAILPOINT": f"{failpoint}:stop"}
    worker = process.spawn(argv, env=env, cwd=MANAGE.parent)
    wait_until(lambda: is_stopped_at_failpoint(operation), what=f"the stop at {failpoint}")
    worker.kill()
    worker.wait()
    operation.refresh_from_db()
    return worker


def backup(console: Console, row: Any, cast: Any) -> Operation:
    operation: Operation = work(console, operations.request("backup", row, {}, account=cast.ada))
    assert operation.state == State.SUCCEEDED, operation.failure_why
    return operation


def test_a_second_recovery_finds_what_the_runner_published(console, cast, sqlite_shop):
    _shop, row = sqlite_shop
    operation = operations.request("backup", row, {}, account=cast.ada)
    crash(console, operation, "backup.manifest_renamed")
    with environment_of(console):
        with engine_for(row, session_label="opsconsole/ffffffffffffffff/77/5").hold():
            assert recovery.recover(operation, reason="lost").state == State.RECOVERING
        operation.refresh_from_db()
        assert recovery.recover(operation, reason="lost again").state == State.SUCCEEDED
    assert [made.key for made in row.backups.all()] == [f"backups/shop/{operation.id}-{operation.runner_fence}"]


def test_a_silent_target_makes_no_reading_indeterminate(console, cast, sqlite_shop):
    _shop, row = sqlite_shop
    operation = operations.request("backup", row, {}, account=cast.ada)
    crash(console, operation, "backup.data_renamed")
    with environment_of(console), engine_for(row, session_label="opsconsole/ffffffffffffffff/77/5").hold():
        recovery.recover(operation, reason="lost")
        Operation.objects.filter(pk=operation.pk).update(lost_at=now() - recovery.PATIENCE)
        operation.refresh_from_db()
        assert recovery.recover(operation, reason="lost").state == State.QUEUED


@pytest.mark.parametrize(
    ("point", "end"), [("restore.in_swap", State.INDETERMINATE), ("restore.before_swap", State.FAILED)]
)
def test_a_silent_target_is_asked_for_a_while_and_then_the_announcement_counts(console, cast, sqlite_shop, point, end):
    """A run that never announced its commit point has changed nothing, whatever the target could say.

    Either way the private key that was handed over for it is gone: people may take long to settle what nobody knows.
    """
    _shop, row = sqlite_shop
    backup(console, row, cast)
    key = {"identity": str(x25519.Identity.generate())}
    operation = operations.request("restore", row, {}, account=cast.ada, confirm="shop", secrets=key)
    crash(console, operation, point)
    assert operation.secrets.count() == 1
    Operation.objects.filter(pk=operation.pk).update(started_at=now() - timedelta(hours=3))
    with environment_of(console), engine_for(row, session_label="opsconsole/ffffffffffffffff/77/5").hold():
        operation.refresh_from_db()
        assert recovery.recover(operation, reason="lost").state == State.RECOVERING
        Operation.objects.filter(pk=operation.pk).update(lost_at=now() - recovery.PATIENCE)
        operation.refresh_from_db()
        assert recovery.recover(operation, reason="lost").state == end
    assert operation.secrets.count() == 0


@POSTGRESQL_AT_NIGHT
@pytest.mark.parametrize("point", ["backup.mid", "backup.data_renamed", "backup.manifest_renamed"])
def test_a_backup_that_fails_in_order_leaves_no_bytes_that_nobody_lists(console, cast, any_shop, point):
    _shop, row = any_shop
    operation = operations.request("backup", row, {}, account=cast.ada)
    work(console, operation, OPSCONSOLE_FAILPOINT=f"{point}:raise")
    if operation.state == State.SUCCEEDED:  # past its commit point, recovery found it whole
        assert row.backups.count() == 1
    else:
        assert (operation.state, operation.failure_code) == (State.FAILED, "failpoint")
        assert stored_files(console) == []


@POSTGRESQL_AT_NIGHT
@pytest.mark.parametrize("point", ["restore.staging_half", "restore.before_swap"])
def test_a_restore_that_fails_in_order_leaves_no_copy_beside_the_live_one(console, cast, any_shop, point):
    shop, row = any_shop
    backup(console, row, cast)
    shop.lose(10)
    operation = operations.request("restore", row, {}, account=cast.ada, confirm="shop")
    work(console, operation, OPSCONSOLE_FAILPOINT=f"{point}:raise")
    assert (operation.state, operation.failure_code) == (State.FAILED, "failpoint")
    assert shop.orders() == 10
    wait_until(lambda: not shop.leftovers(), seconds=10, what="the removal of the copy")


def test_folders_of_ended_operations_are_listed_or_removed(console, cast, sqlite_shop):
    _shop, row = sqlite_shop
    done = backup(console, row, cast)
    stray = console.home / "store" / "backups" / "shop" / f"{done.id}-99"
    stray.mkdir()
    (stray / "database.sqlite.zst").write_bytes(b"half of a backup")
    assert sweeping.tidy() == 1
    assert not stray.exists()
    assert row.backups.get().key == f"backups/shop/{done.id}-{done.runner_fence}"


def test_an_approval_is_withdrawn_while_the_safety_backup_is_taken(console, cast):
    shop = SqliteShop.make(console.files)
    row = register("shop", shop.url, environment="production")
    backup(console, row, cast)
    asked = operations.request("restore", row, {}, account=cast.ada)
    operations.approve(asked, account=cast.grace, digest=asked.digest, auth_at=now(), typed=typed(asked))
    argv = [process.python(), "-m", "opsconsole.worker_process", str(asked.id)]
    env = console.env | {"OPSCONSOLE_FAILPOINT": "backup.mid:sleep=3"}
    worker = process.spawn(argv, env=env, cwd=MANAGE.parent)
    wait_until(lambda: (asked.refresh_from_db(), asked.state)[1] == State.RUNNING, what="the start")
    assert operations.withdraw(asked, account=cast.grace, reason="not today").state == State.CANCELLING
    worker.wait(60)
    asked.refresh_from_db()
    assert asked.state == State.CANCELLED
    assert shop.orders() == 200
