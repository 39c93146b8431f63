"""Full, forbidden and read-only disks: under the store, the work folder, a staging file, the console's own database."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from lifecycle.formats.postgresql_base import connector_of
from opsconsole import operations, process, tasks, worker
from opsconsole.databases import engine_for
from opsconsole.engines.postgresql.copying import CopyWorkers, Task
from opsconsole.exceptions import OperationFailed
from opsconsole.models import Operation
from opsconsole.states import State
from tests.lifecycle.hostile.conftest import last_attempt
from tests.support.adversity import fill, limit_file_sizes, may_mount, paused_at, small_disk
from tests.support.cases import environment_of, runners_of, start_worker, stopped_at, wait_until, work
from tests.support.console import Console, close_connections
from tests.support.registering import register
from tests.support.shops import SqliteShop

# The limit stands in where a test may not mount; elsewhere it is a case for the night.
WAYS = (
    ["a full disk", pytest.param("a file-size limit", marks=pytest.mark.nightly)]
    if may_mount()
    else ["a file-size limit"]
)
ROOMY = {"STORE_RESERVE_MIB": "0"}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """How the store runs full."""
    if request.param != "a full disk":
        yield request.param
        return
    with small_disk(tmp_path / "home" / "store", "64m"):
        yield request.param


def run_full(way: str, store: Path, operation: Operation) -> None:
    """Let no more be written to the store, while the run stands still."""
    if way == "a full disk":
        fill(store)
        return
    for pid in runners_of(operation):
        if b"copy_worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
            limit_file_sizes(pid, 1)


def grow(shop: object, kilobytes: int) -> None:
    """More tables whose rows cannot be compressed away, so that something is left to write in the middle of a run."""
    for number in range(4):
        shop.server.run(  # type: ignore[attr-defined]
            f"CREATE TABLE noise{number} AS SELECT n, (SELECT string_agg(md5(random()::text || n || k), '')"
            f" FROM generate_series(1, 32) k) AS t FROM generate_series(1, {kilobytes // 4}) n",
            shop.name,  # type: ignore[attr-defined]
        )


def test_a_store_that_runs_full_under_a_backup_lists_and_leaves_nothing(
    way, console, cast, settings, postgres_shop, aftermath
):
    settings.STORE_RESERVE_BYTES = 0
    console.env.update(ROOMY)
    shop, row = postgres_shop
    grow(shop, 400)
    operation = operations.request("backup", row, {}, account=cast.ada)
    store = console.home / "store"
    with paused_at(console, operation, "backup.mid"):
        run_full(way, store, operation)
    aftermath.failed(operation, "disk_full")
    aftermath.nothing_listed(row)
    (store / "filler").unlink(missing_ok=True)
    aftermath.nothing_left(operation, shop)
    aftermath.goes_on(row)


def test_dev_full_is_a_full_disk_for_copy_workers(postgres_shop):
    class Full:
        def fileno(self) -> int:
            return os.open("/dev/full", os.O_WRONLY)

    _shop, row = postgres_shop
    order = {"do": "copy_out", "sql": "COPY orders TO STDOUT", "level": 1}
    with (
        CopyWorkers(tick=lambda done: None, count=1, connector=connector_of(engine_for(row))) as workers,
        pytest.raises(OperationFailed) as failed,
    ):
        list(workers.run([Task(name="orders", order=order | {"sql": "COPY public.orders TO STDOUT"}, open=Full)]))
    assert (failed.value.code, bool(failed.value.next_step)) == ("disk_full", True)


def test_a_file_that_cannot_be_unpacked_for_lack_of_room_leaves_live_data_alone(console, cast, sqlite_shop, aftermath):
    shop, row = sqlite_shop
    with sqlite3.connect(shop.path) as db:
        db.execute("CREATE TABLE noise AS SELECT randomblob(12000000) AS bytes")
    db.close()
    work(console, operations.request("backup", row, {}, account=cast.ada))
    shop.lose(10)
    operation = operations.request("restore", row, {}, account=cast.ada, confirm="shop")
    with paused_at(console, operation, "restore.staging_half"):
        (half,) = (console.home / "store" / "work").glob("*/*.proof")
        for pid in runners_of(operation):
            limit_file_sizes(pid, half.stat().st_size)
    aftermath.failed(operation, "disk_full")
    assert shop.orders() == 10
    aftermath.nothing_left(operation, shop)
    aftermath.nothing_listed(row, backups=1)
    aftermath.goes_on(row)


@pytest.fixture(params=WAYS)
def cramped(request: pytest.FixtureRequest, tmp_path: Path, settings: Any) -> Iterator[str]:
    """The way in which the console's own database will run full; its home is a disk of its own where that may be."""
    if request.param != "a full disk":
        yield request.param
        return
    with small_disk(tmp_path / "home", "48m"):
        yield request.param


@pytest.mark.serial
def test_a_console_database_that_runs_full_stops_its_workers_and_recovers_with_room(
    cramped, console, cast, settings, tmp_path, postgres_shop, aftermath
):
    """The worker fences itself, nothing is claimed, people get a page that says why; then everything goes on."""
    shop, row = postgres_shop
    settings.OPSCONSOLE_STORE = tmp_path / "store"
    console.env.update(OPSCONSOLE_STORE=str(tmp_path / "store"), **ROOMY)
    settings.STORE_RESERVE_BYTES = 0
    operation = operations.request("backup", row, {}, account=cast.ada)
    waiting = operations.request(
        "backup", register("other", SqliteShop.make(console.files).url, environment="development"), {}, account=cast.ada
    )
    with (tmp_path / "said").open("wb") as said:
        child = stopped_at(console, operation, "backup.mid", said=said)
        let_no_more_into(console, cramped, child.pid)
        assert process.ended_within(child, 30), "the worker did not fence itself"
        assert not runners_of(operation)
    with full_for_this_process(console, cramped):
        assert claimed_nothing(console, waiting)
        tasks.tick_once()
        answer = Client(raise_request_exception=False).post("/login/", {"username": "ada", "password": "wrong"})
        assert (answer.status_code, b"disk is full" in answer.content, b"Traceback" in answer.content) == (
            503,
            True,
            False,
        )
    assert b"Traceback" not in (tmp_path / "said").read_bytes(), (tmp_path / "said").read_text()
    (console.home / "filler").unlink(missing_ok=True)
    aftermath.settled(operation)
    Operation.objects.filter(pk=operation.pk).update(run_after=None)
    assert (operation.state, work(console, operation).state) == (State.QUEUED, State.SUCCEEDED)
    assert work(console, waiting).state == State.SUCCEEDED
    wait_until(lambda: not shop.leftovers(), "the end of what the first try left")


def let_no_more_into(console: Console, way: str, pid: int) -> None:
    close_connections()
    with sqlite3.connect(console.home / "console.sqlite3") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    if way == "a full disk":
        fill(console.home)
    else:
        limit_file_sizes(pid, 1)


@contextmanager
def full_for_this_process(console: Console, way: str) -> Iterator[None]:
    """The disk is full for everybody anyway; a file-size limit is each process's own."""
    if way == "a full disk":
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        close_connections()


def claimed_nothing(console: Console, operation: Operation) -> bool:
    with environment_of(console):
        return worker.claim(operation.id) is None


FORBIDDEN = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


def test_a_worker_that_may_not_read_its_keys_starts_nothing_and_the_row_says_so(console, cast, sqlite_shop, aftermath):
    _shop, row = sqlite_shop
    operation = operations.request("backup", row, {}, account=cast.ada)
    keys = console.home / "keys"
    keys.chmod(0)
    try:
        start_worker(console, operation, prefix=FORBIDDEN).wait(60)
    finally:
        keys.chmod(0o700)
    operation.refresh_from_db()
    assert operation.state == State.QUEUED
    assert "keys/instance (Permission denied)" in operation.waiting_for
    assert work(console, operation).state == State.SUCCEEDED


@pytest.mark.parametrize(
    "folder",
    [
        "store/backups",
        *(pytest.param(name, marks=pytest.mark.nightly) for name in ("store/work", "keys/manifest.ed25519")),
    ],
)
def test_what_the_console_may_not_use_is_named_with_the_next_step(console, cast, sqlite_shop, aftermath, folder):
    """Root is made to ask for rights like anybody else."""
    shop, row = sqlite_shop
    work(console, operations.request("backup", row, {}, account=cast.ada))
    operation = last_attempt(operations.request("backup", row, {}, account=cast.ada))
    closed = console.home / folder
    before = stat.S_IMODE(closed.stat().st_mode)
    closed.chmod(0)
    try:
        start_worker(console, operation, prefix=FORBIDDEN).wait(60)
    finally:
        closed.chmod(before)
    aftermath.settled(operation)  # where a manifest might lie it waited until it could look
    aftermath.failed(operation, "no_permission")
    assert str(closed.name) in operation.failure_why
    aftermath.nothing_listed(row, backups=1)
    aftermath.nothing_left(operation, shop)
    aftermath.goes_on(row)
