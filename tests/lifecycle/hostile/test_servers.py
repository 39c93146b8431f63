"""Servers that go away and come back, are out of connections, set time limits, or whose tables somebody locked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from signal import SIGQUIT
from typing import Any

import pytest

from opsconsole import operations, process
from opsconsole.databases import engine_for
from opsconsole.embedded.postgresql import EmbeddedPostgres
from opsconsole.engines.postgresql import snapshot
from opsconsole.engines.postgresql.connect import LONG, LOOK
from opsconsole.exceptions import TargetProblem
from opsconsole.states import State
from tests.lifecycle.hostile.conftest import last_attempt, told
from tests.support.adversity import paused_at
from tests.support.cases import work
from tests.support.registering import register
from tests.support.servers import PostgresServer, shared_folder
from tests.support.shops import ORDERS, PostgresShop

KEPT = 10


class Frail(PostgresServer):
    """A server of this module's own that tests may crash; few may be connected at once."""

    def crash(self) -> None:
        """`pg_ctl stop -m immediate`: no goodbye to anybody."""
        child = self.server._child
        assert child is not None
        child.send_signal(SIGQUIT)
        assert process.ended_within(child, 20)

    def come_back(self) -> None:
        self.server._child = None
        self.server.start(log=self.server.folder.parent / "log", settings={"max_connections": "20"})


@pytest.fixture(scope="module")
def frail() -> Iterator[Frail]:
    with shared_folder() as folder:
        server = Frail(EmbeddedPostgres(folder / "pg", major=16, durable=False))
        server.come_back()
        try:
            yield server
        finally:
            server.server.stop()


@pytest.fixture
def frail_shop(console: Any, cast: Any, frail: Frail) -> tuple[PostgresShop, Any]:
    shop = PostgresShop.make(frail)
    return shop, register("shop", shop.url, environment="development")


@pytest.mark.parametrize(
    ("kind", "point"),
    [
        ("restore", "restore.staging_half"),
        pytest.param("restore", "restore.before_swap", marks=pytest.mark.nightly),
        pytest.param("backup", "backup.mid", marks=pytest.mark.nightly),
    ],
)
def test_a_server_that_crashes_under_a_run_and_comes_back_finds_nothing_of_it(
    console, cast, frail, frail_shop, aftermath, kind, point
):
    shop, row = frail_shop
    work(console, operations.request("backup", row, {}, account=cast.ada))
    shop.lose(KEPT)
    operation = last_attempt(operations.request(kind, row, {}, account=cast.ada, confirm="shop"))
    with paused_at(console, operation, point):
        frail.crash()
    assert operation.state in (State.RECOVERING, State.FAILED), told(operation)
    frail.come_back()
    aftermath.settled(operation)
    aftermath.failed(operation, "refused", "database", "locked", "tool_failed")
    assert shop.orders() == KEPT
    aftermath.nothing_left(operation, shop)
    aftermath.goes_on(row)


def test_a_server_without_a_free_connection_is_named_as_that(frail, frail_shop):
    _shop, row = frail_shop
    with ExitStack() as stack:
        try:
            while True:
                stack.enter_context(frail.connect())
        except Exception as full:
            assert "too many clients" in str(full) or "remaining connection slots" in str(full)
        (found,) = engine_for(row).check()
    assert (found.code, found.ok) == ("refused", False)
    assert "End idle sessions" in found.next_step


@pytest.mark.nightly
def test_time_limits_that_the_server_sets_do_not_end_a_run(console, cast, postgres18, aftermath):
    shop = PostgresShop.make(postgres18)
    row = register("shop", shop.url, environment="development")
    for name in (
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "transaction_timeout",
    ):
        postgres18.run(f"ALTER DATABASE {shop.name} SET {name} = '400ms'")
    operation = operations.request("backup", row, {}, account=cast.ada)
    work(console, operation, OPSCONSOLE_FAILPOINT="backup.mid:sleep=1.5")
    assert operation.state == State.SUCCEEDED, told(operation)
    shop.lose(KEPT)
    restore = operations.request("restore", row, {}, account=cast.ada, confirm="shop")
    work(console, restore, OPSCONSOLE_FAILPOINT="restore.staging_half:sleep=1.5")
    assert (restore.state, shop.orders()) == (State.SUCCEEDED, ORDERS), told(restore)


def test_a_table_that_an_application_locked_is_named_when_planning(postgres_shop, cast, monkeypatch):
    shop, row = postgres_shop
    monkeypatch.setitem(LOOK, "lock_timeout", "200ms")
    with shop.server.connect(shop.name) as app:
        app.execute("BEGIN")
        app.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TargetProblem) as refused:
            engine_for(row).tables(exact=True)
        app.execute("ROLLBACK")
    assert refused.value.code == "locked"
    assert "pg_stat_activity" in refused.value.next_step


def test_a_table_that_stays_locked_ends_a_backup_as_locked(console, cast, postgres_shop, aftermath):
    shop, row = postgres_shop
    operation = operations.request("backup", row, {}, account=cast.ada)
    with shop.server.connect(shop.name) as app:
        app.execute("BEGIN")
        app.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        with pytest.MonkeyPatch.context() as patch, pytest.raises(TargetProblem) as refused:
            patch.setattr(snapshot, "ATTEMPTS", 2)
            patch.setitem(LONG, "lock_timeout", "200ms")
            with snapshot.taken(engine_for(row).connector):
                pass
        assert refused.value.code == "locked"
        work(console, operation)
        app.execute("ROLLBACK")
    aftermath.failed(operation, "locked")
    aftermath.nothing_listed(row)
    aftermath.nothing_left(operation, shop)
    aftermath.goes_on(row)
