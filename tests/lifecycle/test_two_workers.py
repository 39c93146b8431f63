"""Two workers of one console, each with a home of its own that holds the console's keys, and one store.

One claims what the other does not; one that is lost, or sleeps past its lease and wakes, writes nothing more: neither
rows, nor target, nor store. The operation ends once.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from opsconsole import operations, process, recovery, worker
from opsconsole.installation import MARK
from opsconsole.models import AuditEvent, Operation, OperationLine
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

KEPT = 10  # orders that the damage leaves
ENDS = (State.QUEUED, State.FAILED)  # of a backup, and of a restore, that was lost before its commit point
nightly = pytest.mark.nightly
LOST = [
    pytest.param("postgresql", "backup", {}, "backup.mid", id="backup", marks=nightly),
    pytest.param("postgresql", "restore", {}, "restore.before_swap", id="swap", marks=nightly),
    pytest.param("postgresql", "restore", {}, "restore.in_swap", id="in-swap"),
    pytest.param("postgresql", "restore", {"method": "in_place"}, "restore.before_swap", id="in-place", marks=nightly),
    pytest.param("sqlite", "restore", {}, "restore.in_swap", id="sqlite"),
]


def second_host(console: Console) -> Console:
    """Another host of the console, set up as the operator's guide says: the keys copied, database and store shared."""
    home = console.home.parent / "second host"
    shutil.copytree(console.home / "keys", home / "keys")
    database = console.env.get("DATABASE_URL", f"sqlite:///{console.home / 'console.sqlite3'}")
    shared = {"OPSCONSOLE_STORE": str(console.home / "store"), "OPSCONSOLE_ROOTS": str(console.files)}
    return Console(home, console.env | shared | {"OPSCONSOLE_HOME": str(home), "DATABASE_URL": database})


@contextmanager
def at_second_host(console: Console, settings: Any, monkeypatch: pytest.MonkeyPatch, *, apart: bool) -> Iterator[None]:
    """Be a process of the second host; when it stands apart, the first one's processes cannot be seen from it."""
    other = second_host(console)
    settings.OPSCONSOLE_HOME = other.home
    with monkeypatch.context() as patched, environment_of(other):
        if apart:
            patched.setattr(process, "kill_marked", lambda *_args, **_kwargs: 0)
        yield
    settings.OPSCONSOLE_HOME = console.home


def everything(console: Console, operation: Operation, shop: Any) -> dict[str, Any]:
    """All that a zombie could have written to."""
    return {
        "row": Operation.objects.values().get(pk=operation.pk),
        "events": list(AuditEvent.objects.order_by("id").values_list("type", "operation_id")),
        "lines": OperationLine.objects.filter(operation=operation).count(),
        "store": [(path.name, path.stat().st_size) for path in stored_files(console)],
        "orders": shop.orders(),
        "beside": shop.leftovers(),
    }


def lost(console: Console, cast: Any, shop_on: Any, engine: str, kind: str, parameters: dict[str, str]) -> Any:
    shop, row = shop_on(engine)
    work(console, operations.request("backup", row, {}, account=cast.ada))
    shop.lose(KEPT)
    return shop, row, operations.request(kind, row, parameters, account=cast.ada, confirm="shop")


def assert_ended_once(operation: Operation, kind: str) -> None:
    endings = {"op.recovered", "op.succeeded", "op.failed", "op.cancelled", "op.indeterminate"}
    types = events_of(operation)
    assert types.count("op.lost") == 1
    assert sum(types.count(ending) for ending in endings) == (2 if kind == "backup" else 1), types


@pytest.fixture
def shop_on(request: pytest.FixtureRequest) -> Any:
    return lambda engine: request.getfixturevalue("sqlite_shop" if engine == "sqlite" else "postgres_shop")


@pytest.mark.serial
@pytest.mark.parametrize(("engine", "kind", "parameters", "point"), LOST)
def test_a_worker_that_sleeps_past_its_lease_writes_nothing_when_it_wakes(
    console, cast, shop_on, settings, monkeypatch, engine, kind, parameters, point
):
    shop, row, operation = lost(console, cast, shop_on, engine, kind, parameters)
    supervisor = stopped_at(console, operation, point)
    asleep = [supervisor.pid, *runners_of(operation)]
    os.kill(supervisor.pid, signal.SIGSTOP)
    with at_second_host(console, settings, monkeypatch, apart=engine == "postgresql"):
        wait_until(lambda: recovery.reap() is not None and state_of(operation) in ENDS, "reaping")
        if kind == "backup":
            Operation.objects.filter(pk=operation.pk).update(run_after=None)
            worker.run_operation(operation.id)
        before = everything(console, operation, shop)
    for pid in asleep:
        if process.alive(pid):
            os.kill(pid, signal.SIGCONT)
    supervisor.wait(60)
    wait_until(lambda: not any(map(process.alive, asleep)), "the end of the zombie")
    assert everything(console, operation, shop) == before
    assert (shop.orders(), row.backups.count()) == (KEPT, 2)
    assert state_of(operation) == (State.SUCCEEDED if kind == "backup" else State.FAILED)
    assert_ended_once(operation, kind)


@pytest.mark.serial
def test_a_lost_host_is_replaced_by_the_other_one(console, cast, shop_on, settings, monkeypatch):
    shop, row, operation = lost(console, cast, shop_on, "postgresql", "backup", {})
    supervisor = stopped_at(console, operation, "backup.mid")
    for pid in [supervisor.pid, *runners_of(operation)]:
        os.kill(pid, signal.SIGKILL)
    supervisor.wait()
    with at_second_host(console, settings, monkeypatch, apart=True):
        wait_until(lambda: recovery.reap() is not None and state_of(operation) == State.QUEUED, "reaping")
        Operation.objects.filter(pk=operation.pk).update(run_after=None)
        worker.run_operation(operation.id)
    assert (state_of(operation), row.backups.count(), shop.leftovers()) == (State.SUCCEEDED, 2, [])
    with environment_of(console):  # the first host reads what the second has signed
        restore = operations.request("restore", row, {}, account=cast.ada, confirm="shop")
        assert work(console, restore).state == State.SUCCEEDED
    assert shop.orders() == KEPT


def test_the_second_worker_serves_what_the_first_does_not(console, cast, sqlite_shop):
    _shop, row = sqlite_shop
    hosts = [console, second_host(console)]
    rows = [operations.request("backup", row, {}, account=cast.ada) for _ in range(2)]
    children = [start_worker(host, each) for host in hosts for each in rows]
    for child in children:
        assert child.wait(90) == 0
    for each in rows:
        Operation.objects.filter(pk=each.pk, state=State.QUEUED).update(run_after=None)
        work(console, each)
    assert [state_of(each) for each in rows] == [State.SUCCEEDED] * 2
    assert [events_of(each).count("op.claimed") - events_of(each).count("op.waiting") for each in rows] == [1, 1]
    assert row.backups.count() == 2


class TestHostsThatAreNotSetUp:
    def test_one_with_keys_of_its_own_starts_nothing_and_says_why(self, console, cast, sqlite_shop):
        _shop, row = sqlite_shop
        first, second = (operations.request("backup", row, {}, account=cast.ada) for _ in range(2))
        assert work(console, first).state == State.SUCCEEDED
        host = second_host(console)
        shutil.rmtree(host.home / "keys")
        assert start_worker(host, second).wait(60) == 0
        assert state_of(second) == State.QUEUED
        assert "not those of the console whose database this is" in second.waiting_for
        ticker = process.run(host.argv("ticker"), env=host.env, timeout=60)
        assert ticker.returncode == 1
        assert b"Copy the folder keys" in ticker.stderr
        assert work(console, second).state == State.SUCCEEDED

    def test_one_whose_store_is_not_mounted_puts_no_backup_into_the_empty_folder(
        self, console, cast, sqlite_shop, settings
    ):
        _shop, row = sqlite_shop
        assert work(console, operations.request("backup", row, {}, account=cast.ada)).state == State.SUCCEEDED
        settings.OPSCONSOLE_STORE = console.home / "not mounted"
        settings.OPSCONSOLE_STORE.mkdir()
        asked = work(console, operations.request("backup", row, {}, account=cast.ada))
        assert (asked.state, "The store of this console is not at" in asked.waiting_for) == (State.QUEUED, True)
        assert [path for path in settings.OPSCONSOLE_STORE.rglob("*") if path.is_file()] == []

    def test_the_store_of_another_console_is_refused(self, console, cast, sqlite_shop):
        _shop, row = sqlite_shop
        (console.home / "store").mkdir(exist_ok=True)
        (console.home / "store" / MARK).write_text("of-another-one\n")
        asked = work(console, operations.request("backup", row, {}, account=cast.ada))
        assert (asked.state, "belongs to another console" in asked.waiting_for) == (State.QUEUED, True)
