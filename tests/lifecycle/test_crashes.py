"""Kill -9 at every failpoint of both kinds on both engines: old or new, never between, and nothing left behind.

What comes before the commit point is the same code for both engines, and a whole worker dies like its runner, only
slower; so the matrix is thinned out here, and `make nightly` runs all of it.
"""

from __future__ import annotations

from typing import Any

import pytest

from opsconsole import operations, process, recovery
from opsconsole.engines.base import Engine
from opsconsole.instance import instance_id
from opsconsole.models import Operation, OperationTarget
from opsconsole.states import TERMINAL, State
from tests.lifecycle.conftest import POSTGRESQL_AT_NIGHT, stored_files
from tests.support.cases import environment_of, is_stopped_at_failpoint, start_worker, wait_until, work
from tests.support.console import Console

KEPT = 10  # orders that the damage leaves
EVERY_RUN = ["lock.acquired", "arm.before", "arm.committed", "finish.before", "finish.committed"]
BACKUP = ["backup.mid", "backup.before_fsync", "backup.data_renamed", "backup.manifest_renamed"]
RESTORE = ["restore.staging_half", "restore.before_swap", "restore.in_swap", "restore.swapped"]
SQLITE = ["sqlite.copy_half", "sqlite.copied"]


def die_at(console: Console, operation: Operation, failpoint: str, victim: str) -> Operation:
    """Let the runner die at the failpoint, or stop it there and kill its whole worker; then recover."""
    if victim == "runner":
        start_worker(console, operation, f"{failpoint}:kill9").wait(90)
    else:
        worker = start_worker(console, operation, f"{failpoint}:stop")
        wait_until(
            lambda: worker.poll() is not None or is_stopped_at_failpoint(operation), what=f"the stop at {failpoint}"
        )
        worker.kill()
        worker.wait()
    operation.refresh_from_db()
    with environment_of(console):
        wait_until(lambda: has_ended(operation), what="recovery")
    return operation


def has_ended(operation: Operation) -> bool:
    recovery.reap()
    recovery.sweep()
    operation.refresh_from_db()
    return operation.state in TERMINAL or operation.state == State.QUEUED


def assert_nothing_left(console: Console, shop: Any, operation: Operation) -> None:
    assert not [path.name for path in stored_files(console) if path.name.endswith(".part")]
    assert not list((console.home / "store" / "work").glob("*"))
    wait_until(lambda: not shop.leftovers(), seconds=10, what=f"the end of {shop.leftovers()}")
    assert not OperationTarget.objects.filter(active=True).exists()
    assert not process.marked(f"{operation.id}.{operation.fence}", instance=instance_id())


def cases(engine: str, kind: str) -> list[str]:
    points = EVERY_RUN + BACKUP + (RESTORE if kind == "restore" else [])
    return points + SQLITE if (engine, kind) == ("sqlite", "restore") else points


EVERY_DAY = {
    ("backup", "runner"): {"backup.mid", "backup.manifest_renamed", "finish.committed"},
    ("restore", "runner"): {"restore.before_swap", "restore.in_swap", "restore.swapped", *SQLITE},
    ("restore", "worker"): {"restore.in_swap"},
}
ON_ONE_ENGINE = {  # every day as well, but on SQLite alone
    ("backup", "runner"): {"arm.committed"},
    ("restore", "runner"): {"arm.committed", "restore.staging_half", "finish.before"},
    ("restore", "worker"): {"arm.committed"},
}


def every_day(kind: str, victim: str, engine: str, point: str) -> bool:
    return point in EVERY_DAY[kind, victim] or (engine == "sqlite" and point in ON_ONE_ENGINE[kind, victim])


def params(kind: str, *victims: str) -> list[Any]:
    return [
        pytest.param(
            engine,
            point,
            victim,
            id=f"{engine}-{point}-{victim}",
            marks=[] if every_day(kind, victim, engine, point) else [pytest.mark.nightly],
        )
        for victim in victims
        for engine in ("sqlite", "postgresql")
        for point in cases(engine, kind)
    ]


@pytest.fixture
def shop_on(request: pytest.FixtureRequest) -> Any:
    return lambda engine: request.getfixturevalue("sqlite_shop" if engine == "sqlite" else "postgres_shop")


@pytest.mark.parametrize(("engine", "point", "victim"), params("backup", "runner"))
def test_a_backup_whose_runner_dies_is_whole_or_not_listed_and_is_tried_again(
    console, cast, shop_on, engine, point, victim
):
    shop, row = shop_on(engine)
    operation = die_at(console, operations.request("backup", row, {}, account=cast.ada), point, victim)
    if operation.state == State.QUEUED:
        Operation.objects.filter(pk=operation.pk).update(run_after=None)
        work(console, operation)
    assert operation.state == State.SUCCEEDED, f"{operation.state_reason} {operation.waiting_for}"
    assert row.backups.count() == 1
    assert len([p for p in stored_files(console) if p.name == "manifest.json"]) == 1
    assert_nothing_left(console, shop, operation)


@pytest.mark.parametrize(("engine", "point", "victim"), params("restore", "runner", "worker"))
def test_a_restore_that_dies_leaves_the_old_content_or_the_new(console, cast, shop_on, engine, point, victim):
    shop, row = shop_on(engine)
    work(console, operations.request("backup", row, {}, account=cast.ada))
    shop.lose(KEPT)
    operation = die_at(console, operations.request("restore", row, {}, account=cast.ada, confirm="shop"), point, victim)
    assert operation.state in (State.SUCCEEDED, State.FAILED)
    assert shop.orders() == (200 if operation.state == State.SUCCEEDED else KEPT)
    assert_nothing_left(console, shop, operation)


def test_the_engines_of_the_matrix_are_all_there_are():
    from opsconsole.engines import ENGINES

    assert set(ENGINES) == {"sqlite", "postgresql"}
    assert all(issubclass(engine, Engine) for engine in ENGINES.values())


IN_PLACE = [
    "inplace.mid", "restore.before_swap", "restore.swapped",
    *(pytest.param(point, marks=pytest.mark.nightly) for point in ("arm.committed", "finish.before")),
]  # fmt: skip


@pytest.mark.parametrize("victim", ["runner", pytest.param("worker", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("point", IN_PLACE)
def test_a_restore_in_place_that_dies_leaves_the_old_content_or_the_new(console, cast, postgres_shop, point, victim):
    shop, row = postgres_shop
    work(console, operations.request("backup", row, {}, account=cast.ada))
    shop.lose(KEPT)
    asked = operations.request("restore", row, {"method": "in_place"}, account=cast.ada, confirm="shop")
    operation = die_at(console, asked, point, victim)
    assert operation.state in (State.SUCCEEDED, State.FAILED)
    assert shop.orders() == (200 if operation.state == State.SUCCEEDED else KEPT)
    assert_nothing_left(console, shop, operation)


@POSTGRESQL_AT_NIGHT
@pytest.mark.parametrize("kind", ["backup", "restore"])
def test_a_worker_that_dies_right_after_its_claim_has_done_nothing(console, cast, any_shop, kind):
    shop, row = any_shop
    work(console, operations.request("backup", row, {}, account=cast.ada))
    shop.lose(KEPT)
    asked = operations.request(kind, row, {}, account=cast.ada, confirm="shop")
    operation = die_at(console, asked, "claim.committed", "runner")
    assert operation.state == (State.QUEUED if kind == "backup" else State.FAILED)
    assert (shop.orders(), row.backups.count()) == (KEPT, 1)
    assert_nothing_left(console, shop, operation)
