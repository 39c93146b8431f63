"""How much more may be lost than was approved, and what becomes of a restore that would lose too much."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

import pytest

from lifecycle import loss
from lifecycle.loss.growth import moved
from opsconsole import operations
from opsconsole.clock import now
from opsconsole.exceptions import Moved
from opsconsole.models import Operation
from opsconsole.plans import Growth, Plan
from opsconsole.states import State
from tests.support.cases import typed, work
from tests.support.console import Console
from tests.support.people import close_bootstrap

ORDERS = loss.TableLoss(table="public.orders", rows_live=900, rows_other=500, only_live=412, changed=7, only_other=12)
BLIND = replace(ORDERS, exact=False, changed=None, note="its columns have changed")


def preview(*tables: loss.TableLoss) -> loss.LossPreview:
    return loss.LossPreview(tables=tables, other="backup 12")


def told(before: loss.LossPreview, after: loss.LossPreview, growth: Growth = Growth()) -> list[str]:  # noqa: B008
    plan = Plan(kind="restore", summary="", effects=before.effects())
    return [each.sentence for each in moved(plan, after, growth)]


def test_what_grew_beyond_the_limit_is_told_with_both_numbers() -> None:
    said = told(preview(ORDERS), preview(replace(ORDERS, only_live=1204)))
    assert said == ["you would now lose 1\N{NARROW NO-BREAK SPACE}204 orders, 412 when it was approved"]


def test_what_grew_within_it_is_fine() -> None:
    assert told(preview(ORDERS), preview(replace(ORDERS, only_live=512, changed=107))) == []
    assert told(preview(ORDERS), preview(replace(ORDERS, only_live=513)), Growth(percent=0, rows=100)) != []


def test_changes_that_would_be_set_back_count_too() -> None:
    said = told(preview(ORDERS), preview(replace(ORDERS, changed=900)))
    assert said == ["you would now set back 900 changed orders, 7 when it was approved"]


def test_many_tables_that_each_grew_a_little_are_too_much_together() -> None:
    some = [replace(ORDERS, table=f"t{number}", only_live=10) for number in range(5)]
    said = told(preview(*some), preview(*(replace(table, only_live=40) for table in some)))
    assert said == ["you would now lose 200 rows in all, 50 when it was approved"]


def test_a_table_that_came_since_is_lost_in_full() -> None:
    fresh = loss.TableLoss(table="public.fresh", rows_live=300, rows_other=None, only_live=300, changed=0, only_other=0)
    assert told(preview(ORDERS), preview(ORDERS, fresh)) == ["you would now lose 300 fresh, 0 when it was approved"]


def test_a_table_that_can_no_longer_be_compared_is_too_much() -> None:
    (said,) = told(preview(ORDERS), preview(BLIND))
    assert said.startswith("what you would lose of orders cannot be told any more (its columns have changed")


def test_one_that_could_not_be_compared_before_either_is_judged_by_its_counts() -> None:
    assert told(preview(BLIND), preview(BLIND)) == []
    assert told(preview(BLIND), preview(replace(BLIND, only_live=600))) != []


def test_a_table_without_a_key_whose_rows_can_no_longer_be_compared_is_too_much() -> None:
    heap = replace(ORDERS, changed=None)
    (said,) = told(preview(heap), preview(replace(heap, exact=False, only_live=0, note="the time was over")))
    assert said.startswith("what you would lose of orders cannot be told any more (the time was over")
    assert told(preview(heap), preview(heap)) == []


def test_a_sentence_of_its_own_is_what_a_stale_plan_says() -> None:
    assert Moved("a", "1", "2").sentence == "a was 1 when planned and is 2 now"
    assert Moved("a", "1", "2", said="two now").sentence == "two now"


def add_orders(shop: Any, count: int) -> None:
    with sqlite3.connect(shop.path) as line:
        line.executemany("INSERT INTO orders VALUES (?, 1, 5)", [(1000 + n,) for n in range(count)])
    line.close()


@pytest.mark.parametrize(("written", "end"), [(100, State.SUCCEEDED), (101, State.STALE)])
def test_a_restore_that_would_lose_more_than_was_approved_is_not_run(
    console: Console, cast: Any, sqlite_shop: Any, written: int, end: State
) -> None:
    shop, database = sqlite_shop
    work(console, operations.request("backup", database, {}, account=cast.ada))
    asked = operations.request("restore", database, {}, account=cast.ada, confirm="shop")
    add_orders(shop, written)
    done = work(console, asked)
    assert done.state == end, done.failure_why
    if end == State.STALE:
        assert f"you would now lose {written} orders, 0 when it was approved" in done.failure_why
        assert shop.orders() == 200 + written
        assert not hasattr(Operation.objects.get(pk=done.pk), "grant")


def test_a_restore_waits_for_the_number_of_what_it_loses(console: Console, cast: Any, sqlite_shop: Any) -> None:
    from opsconsole.models import Environment

    shop, database = sqlite_shop
    database.environment = Environment.objects.get(name="production")
    database.save()
    close_bootstrap()
    work(console, operations.request("backup", database, {}, account=cast.ada))
    add_orders(shop, 12)
    asked = operations.request("restore", database, {}, account=cast.ada)
    assert asked.plan.confirmation.sentence == "You would lose 12 orders."
    assert typed(asked).number == "12"
    operations.approve(asked, account=cast.grace, digest=asked.digest, auth_at=now(), typed=typed(asked))
    assert work(console, asked).state == State.SUCCEEDED
    assert shop.orders() == 200
