"""A connection that is reset at any byte, in either direction: the run is done or it is not, and nothing is left."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from opsconsole import operations
from opsconsole.models import Operation
from opsconsole.states import State
from tests.lifecycle.hostile.conftest import Aftermath, told
from tests.support.adversity import Cutter, cutter, through
from tests.support.cases import work
from tests.support.registering import register
from tests.support.shops import ORDERS, PostgresShop

KEPT = 10
# What a lost connection may be called: by whom it was noticed, and in what.
CODES = ("refused", "database", "locked", "restore_failed", "tool_failed", "timeout", "worker_lost", "permission")
RUNS: dict[str, tuple[str, dict[str, str]]] = {
    "backup": ("backup", {}),
    "backup as custom": ("backup", {"format": "custom"}),
    "restore by swap": ("restore", {"method": "swap"}),
    "restore in place": ("restore", {"method": "in_place"}),
}


@pytest.fixture
def proxied(console: Any, cast: Any, postgres: Any) -> Iterator[tuple[PostgresShop, Any, Cutter]]:
    """(the shop, its row as the console reaches it, the proxy in between)."""
    shop = PostgresShop.make(postgres)
    with cutter(postgres) as proxy:
        yield shop, register("shop", through(proxy, shop.url), environment="development"), proxy


def run_with_a_cut(console: Any, cast: Any, row: Any, proxy: Cutter, name: str, cut: tuple[str, int]) -> Operation:
    kind, parameters = RUNS[name]
    if kind == "restore":
        parameters = parameters | {"backup": str(row.backups.order_by("id")[0].id)}
    operation = operations.request(kind, row, parameters, account=cast.ada, confirm="shop")
    proxy.cut_at(*cut)
    return work(console, operation)


def judge(shop: PostgresShop, row: Any, operation: Operation, aftermath: Aftermath, before: int) -> None:
    """Old or new, never between; a cause and a next step; nothing left; and the next one works."""
    aftermath.settled(operation)
    changed = operation.kind == "restore" and operation.state == State.SUCCEEDED
    if operation.state == State.FAILED:
        aftermath.failed(operation, *CODES)
    else:
        assert operation.state == State.SUCCEEDED or operation.state == State.QUEUED, told(operation)
    assert shop.orders() == (ORDERS if changed else before)
    aftermath.nothing_left(operation, shop)
    assert all(made.state == "good" for made in row.backups.all())


def some_cuts(name: str, carried: dict[str, int], number: int) -> list[tuple[str, int]]:
    """Bytes anywhere in what a whole run carries, the same ones every time."""
    chance = random.Random(name)
    return [(direction, chance.randrange(1, carried[direction] + 1)) for direction in (["in", "out"] * number)[:number]]


@pytest.mark.parametrize("name", ["restore by swap"])
def test_a_connection_that_is_reset_leaves_old_or_new_and_nothing_else(console, cast, proxied, aftermath, name):
    cut_and_judge(console, cast, proxied, aftermath, name, number=1)


@pytest.mark.nightly
@pytest.mark.parametrize("name", RUNS)
def test_a_connection_that_is_reset_at_twenty_places(console, cast, proxied, aftermath, name):
    cut_and_judge(console, cast, proxied, aftermath, name, number=20)


def cut_and_judge(console: Any, cast: Any, proxied: Any, aftermath: Aftermath, name: str, number: int) -> None:
    shop, row, proxy = proxied
    work(console, operations.request("backup", row, {}, account=cast.ada))
    whole = run_with_a_cut(console, cast, row, proxy, name, ("in", 1 << 60))
    assert whole.state == State.SUCCEEDED, told(whole)
    happened = 0
    for cut in some_cuts(name, dict(proxy.carried), number):
        shop.lose(KEPT)
        operation = run_with_a_cut(console, cast, row, proxy, name, cut)
        happened += proxy.was_cut
        judge(shop, row, operation, aftermath, KEPT)
        operations_done(operation)
    assert happened >= number // 2, "the cuts were made"
    proxy.cut_at("in", 1 << 60)
    aftermath.goes_on(row)


def operations_done(operation: Operation) -> None:
    """A backup that waits for its next attempt makes room for the next case."""
    if operation.state == State.QUEUED:
        operations.cancel(operation, account=operation.requester, reason="seen enough")
