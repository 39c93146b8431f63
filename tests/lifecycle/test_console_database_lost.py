"""The console's own database is gone for a while: nothing is armed meanwhile, and every operation ends as it should.

SQLite: another program holds its write lock. PostgreSQL: the server is stopped.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from opsconsole import operations, process, recovery
from opsconsole.embedded.postgresql import EmbeddedPostgres
from opsconsole.models import AuditEvent, ExecutionGrant, Operation
from opsconsole.states import State
from tests.support.cases import environment_of, events_of, runners_of, start_worker, state_of, wait_until, work
from tests.support.console import (
    MANAGE,
    Console,
    Template,
    build_template,
    close_connections,
    fresh_console,
    shared_by_a_run,
)
from tests.support.people import assemble
from tests.support.registering import register
from tests.support.servers import PostgresServer, shared_folder
from tests.support.shops import PostgresShop, SqliteShop

Gone = Callable[[], AbstractContextManager[None]]
KEPT = 10  # orders that the damage leaves
REACHED: dict[str, Callable[[Operation], bool]] = {  # what can be seen in the rows when a run is about there
    "arm.before": lambda row: "backup.published" in events_of(row),
    "restore.before_swap": lambda row: row.lines.filter(text__startswith="Building").exists(),
    "restore.swapped": lambda row: state_of(row) == State.RUNNING and row.committed_at is not None,
}
pytestmark = pytest.mark.serial


@pytest.fixture
def locked(console: Console) -> Gone:
    """Hold the write lock of the console's SQLite file inside the block."""

    @contextmanager
    def gone() -> Iterator[None]:
        close_connections()
        db = sqlite3.connect(console.home / "console.sqlite3", isolation_level=None, timeout=20)
        db.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            db.close()

    return gone


def damaged(console: Console, cast: Any, shop: Any, row: Any) -> Operation:
    work(console, operations.request("backup", row, {}, account=cast.ada))
    shop.lose(KEPT)
    return operations.request("restore", row, {}, account=cast.ada, confirm="shop")


def held_at(console: Console, operation: Operation, failpoint: str) -> process.Child:
    """A worker whose runner sleeps at a failpoint for longer than any outage here lasts."""
    worker = start_worker(console, operation, f"{failpoint}:sleep=40")
    wait_until(lambda: REACHED[failpoint](operation), f"{failpoint} of operation {operation.id}")
    return worker


def outlived(worker: process.Child, operation: Operation, gone: Gone) -> None:
    """Let the outage last until the runner is gone: the worker has fenced itself."""
    runners = runners_of(operation)
    assert runners
    with gone():
        wait_until(lambda: not any(map(process.alive, runners)), "the end of the runner", seconds=15)
    worker.wait(60)


def ended(console: Console, operation: Operation) -> str:
    with environment_of(console):
        wait_until(lambda: recovery.reap() is not None and state_of(operation) not in (State.RUNNING, "recovering"))
    return state_of(operation)


def test_before_arming_nothing_is_armed_and_nothing_is_changed(console, cast, sqlite_shop, locked):
    shop, row = sqlite_shop
    operation = damaged(console, cast, shop, row)
    outlived(held_at(console, operation, "arm.before"), operation, locked)
    assert ended(console, operation) == State.FAILED
    assert not ExecutionGrant.objects.filter(operation=operation).exists()
    assert "op.armed" not in events_of(operation)
    assert (shop.orders(), shop.leftovers()) == (KEPT, [])


@pytest.mark.nightly
def test_between_arming_and_the_commit_point_the_old_content_stays(console, cast, postgres_shop, locked):
    shop, row = postgres_shop
    operation = damaged(console, cast, shop, row)
    outlived(held_at(console, operation, "restore.before_swap"), operation, locked)
    assert ended(console, operation) == State.FAILED
    assert shop.orders() == KEPT
    wait_until(lambda: not shop.leftovers(), "the removal of the copy")


def test_past_the_commit_point_the_witness_tells_that_it_was_done(console, cast, postgres_shop, locked):
    shop, row = postgres_shop
    operation = damaged(console, cast, shop, row)
    outlived(held_at(console, operation, "restore.swapped"), operation, locked)
    assert ended(console, operation) == State.SUCCEEDED
    assert (shop.orders(), operation.result["rows"] > 0) == (200, True)
    assert [e for e in events_of(operation) if e in ("op.succeeded", "op.recovered")] == ["op.recovered"]


def test_what_is_queued_meanwhile_runs_once_when_it_is_back_and_the_ticker_lives(console, cast, sqlite_shop, locked):
    _shop, row = sqlite_shop
    ticker = process.spawn(console.argv("ticker"), env=console.env, cwd=MANAGE.parent)
    try:
        wait_until(lambda: AuditEvent.objects.exclude(seal=None).exists(), "the ticker's first round")
        operation = operations.request("backup", row, {}, account=cast.ada)
        with locked():
            assert not process.ended_within(ticker, 5)
        wait_until(lambda: state_of(operation) == State.SUCCEEDED, "the backup")
        assert ticker.poll() is None
    finally:
        process.stop(ticker)
    assert row.backups.count() == 1


@pytest.fixture(scope="module")
def own_server() -> Iterator[tuple[PostgresServer, Callable[[], None]]]:
    """A server for a console's database alone, and what starts it again."""
    with shared_folder() as folder:
        server = EmbeddedPostgres(folder / "pg", major=16, durable=False)
        server.start(log=folder / "log")
        try:
            yield PostgresServer(server), lambda: server.start(log=folder / "log")
        finally:
            server.stop()


@pytest.fixture(scope="module")
def own_template(own_server: Any, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Template:
    with django_db_blocker.unblock():
        return build_template(shared_by_a_run(tmp_path_factory), own_server[0])


@pytest.fixture
def served(own_template: Template, own_server: Any, tmp_path: Any, settings: Any, django_db_blocker: Any) -> Any:
    """(a console on PostgreSQL, its people, what stops its server inside a block)."""
    server, start = own_server

    @contextmanager
    def gone() -> Iterator[None]:
        close_connections()
        server.server.stop()
        try:
            yield
        finally:
            start()
            close_connections()

    with django_db_blocker.unblock(), fresh_console(own_template, tmp_path / "home", settings) as console:
        yield console, assemble(), gone


def test_with_a_stopped_server_the_old_content_stays_and_people_get_a_clear_page(served, postgres):
    console, cast, gone = served
    shop = PostgresShop.make(postgres)
    row = register("shop", shop.url, environment="development")
    operation = damaged(console, cast, shop, row)
    worker = held_at(console, operation, "restore.before_swap")
    answers = []

    @contextmanager
    def looked_at() -> Iterator[None]:
        with gone():
            answers.append(Client(raise_request_exception=False).post("/login/", {"username": "ada", "password": "x"}))
            yield

    outlived(worker, operation, looked_at)
    assert answers[0].status_code == 503
    assert b"own database does not answer" in answers[0].content
    assert b"Traceback" not in answers[0].content
    assert ended(console, operation) == State.FAILED
    assert shop.orders() == KEPT
    assert work(console, operations.request("backup", row, {}, account=cast.ada)).state == State.SUCCEEDED


@pytest.mark.nightly
def test_with_a_stopped_server_nothing_is_armed(served):
    console, cast, gone = served
    shop = SqliteShop.make(console.files)
    row = register("shop", shop.url, environment="development")
    operation = damaged(console, cast, shop, row)
    outlived(held_at(console, operation, "arm.before"), operation, gone)
    assert ended(console, operation) == State.FAILED
    assert not ExecutionGrant.objects.filter(operation=operation).exists()
    assert (shop.orders(), shop.leftovers()) == (KEPT, [])


@contextmanager
def hung(server: PostgresServer) -> Iterator[None]:
    """Every process of a server sleeps: it refuses nothing, and it never answers."""
    close_connections()
    postmaster = server.server.pid
    assert postmaster is not None
    pids = [postmaster, *process_children(postmaster)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):  # a backend that finds its client gone ends at once
                os.kill(pid, signal.SIGCONT)


def process_children(parent: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


@pytest.mark.nightly
def test_with_a_server_that_hangs_the_runner_is_ended_all_the_same(served, own_server, postgres):
    console, cast, _gone = served
    shop = PostgresShop.make(postgres)
    row = register("shop", shop.url, environment="development")
    operation = damaged(console, cast, shop, row)
    worker = held_at(console, operation, "restore.before_swap")
    outlived(worker, operation, lambda: hung(own_server[0]))
    assert ended(console, operation) == State.FAILED
    assert shop.orders() == KEPT
    wait_until(lambda: not shop.leftovers(), "the removal of the copy")
