"""A restore keeps the rows that it takes away in a patch, and a reapply puts them back: all of them, or none."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest

from opsconsole import operations
from opsconsole.exceptions import Refused, Usage
from opsconsole.states import State
from tests.lifecycle.test_crashes import die_at
from tests.support.cases import work
from tests.support.console import Console

pytestmark = pytest.mark.serial


class Scene:
    """A shop whose restore took two orders away, which a patch holds."""

    def __init__(self, console: Console, cast: Any, shop: Any, database: Any) -> None:
        self.console, self.cast, self.shop, self.database = console, cast, shop, database
        self.do("backup")
        self.run("INSERT INTO orders (id, customer_id, cents) VALUES (1001, 1, 5), (1002, 2, 6)")
        self.run("UPDATE orders SET cents = 1 WHERE id = 7")
        self.restore = self.do("restore", patch="yes")

    def run(self, statement: str) -> list[Any]:
        line: Any = sqlite3.connect(self.shop.path) if self.shop.engine == "sqlite" else psycopg.connect(self.shop.url)
        with line:
            done = line.execute(statement)
            rows = done.fetchall() if done.description else []
        line.close()
        return rows

    def ask(self, kind: str, **given: str) -> Any:
        return operations.request(kind, self.database, given, account=self.cast.ada, confirm="shop")

    def do(self, kind: str, **given: str) -> Any:
        done = work(self.console, self.ask(kind, **given))
        assert done.state == State.SUCCEEDED, done.failure_why
        return done

    def patched(self) -> list[Any]:
        return [tuple(row) for row in self.run("SELECT id, customer_id, cents FROM orders WHERE id > 1000 ORDER BY id")]


@pytest.fixture
def scene(console: Console, cast: Any, any_shop: Any) -> Scene:
    return Scene(console, cast, *any_shop)


def test_the_rows_that_a_restore_took_away_are_put_back(scene: Scene) -> None:
    patch = scene.restore.result["patch"]
    assert (patch["rows"], sum(patch["tables"].values())) == (2, 2)
    assert "2 rows that only it had are in a patch" in scene.restore.result["summary"]
    assert scene.patched() == []
    done = scene.do("reapply")
    assert done.result["summary"] == f"2 rows that restore {scene.restore.pk} took away are back."
    assert scene.patched() == [(1001, 1, 5), (1002, 2, 6)]
    assert scene.run("SELECT cents FROM orders WHERE id = 7") == [(35,)]  # set back, and not in the patch
    if scene.shop.engine == "postgresql":
        assert scene.run("SELECT nextval('orders_id_seq') > 1002") == [(True,)]
    with pytest.raises(Refused, match="taken by now"):
        scene.ask("reapply")


@pytest.mark.parametrize("any_shop", ["sqlite"], indirect=True)
def test_rows_whose_key_is_taken_are_left_out_only_when_that_was_asked_for(scene: Scene) -> None:
    scene.run("INSERT INTO orders (id, customer_id, cents) VALUES (1001, 3, 99)")
    with pytest.raises(Refused, match="1 rows of the patch have keys that are taken"):
        scene.ask("reapply")
    assert scene.do("reapply", conflict="skip").result["rows"] == 1
    assert scene.patched() == [(1001, 3, 99), (1002, 2, 6)]


@pytest.mark.parametrize("any_shop", ["sqlite"], indirect=True)
def test_rows_that_came_after_the_plan_make_it_fail_whole(scene: Scene) -> None:
    asked = scene.ask("reapply")
    scene.run("INSERT INTO orders (id, customer_id, cents) VALUES (1002, 3, 99)")
    done = work(scene.console, asked)
    assert (done.state, done.failure_code) == (State.FAILED, "conflict")
    assert scene.patched() == [(1002, 3, 99)]


def test_rows_that_refer_to_nothing_make_it_fail_whole(scene: Scene) -> None:
    asked = scene.ask("reapply")
    scene.run("DELETE FROM orders WHERE customer_id = 2")
    scene.run("DELETE FROM customers WHERE id = 2")
    done = work(scene.console, asked)
    assert (done.state, done.failure_code) == (State.FAILED, "foreign_key"), done.failure_why
    assert scene.patched() == []


@pytest.mark.parametrize(
    ("any_shop", "point", "back"),
    [
        ("sqlite", "reapply.before_commit", False),
        ("sqlite", "reapply.committed", True),
        ("postgresql", "reapply.committed", True),
    ],
    indirect=["any_shop"],
)
def test_killed_around_its_commit_point_it_is_done_or_not_done(scene: Scene, point: str, back: bool) -> None:
    done = die_at(scene.console, scene.ask("reapply"), point, "runner")
    assert done.state == (State.SUCCEEDED if back else State.FAILED), done.failure_why
    assert len(scene.patched()) == (2 if back else 0)


@pytest.mark.parametrize("any_shop", ["sqlite"], indirect=True)
def test_a_patch_that_was_changed_in_the_store_is_not_put_back(scene: Scene) -> None:
    asked = scene.ask("reapply")
    folder = scene.console.home / "store" / scene.restore.result["patch"]["folder"]
    (written,) = Path(folder).glob("data/*.zst")
    written.write_bytes(written.read_bytes()[:-1] + b"x")
    assert work(scene.console, asked).state == State.FAILED
    assert scene.patched() == []


def test_without_a_patch_there_is_nothing_to_reapply(console: Console, cast: Any, sqlite_shop: Any) -> None:
    with pytest.raises(Usage, match="kept a patch"):
        operations.request("reapply", sqlite_shop[1], {}, account=cast.ada, confirm="shop")


def test_a_restore_that_dies_before_its_commit_point_leaves_no_patch(
    console: Console, cast: Any, sqlite_shop: Any
) -> None:
    shop, database = sqlite_shop
    work(console, operations.request("backup", database, {}, account=cast.ada))
    with sqlite3.connect(shop.path) as line:
        line.execute("INSERT INTO orders VALUES (1001, 1, 5)")
    line.close()
    asked = operations.request("restore", database, {"patch": "yes"}, account=cast.ada, confirm="shop")
    assert die_at(console, asked, "restore.before_swap", "runner").state == State.FAILED
    assert list((console.home / "store" / "patches").rglob("*.*")) == []


HEAP = "SELECT word FROM heap ORDER BY word"


@pytest.fixture
def heap(console: Console, cast: Any, sqlite_shop: Any) -> Scene:
    """A restore took a row of a table without a key away."""
    with sqlite3.connect(sqlite_shop[0].path) as line:
        line.execute("CREATE TABLE heap (word text)")
    line.close()
    scene = Scene(console, cast, *sqlite_shop)
    scene.run("INSERT INTO heap VALUES ('only here')")
    scene.restore = scene.do("restore", patch="yes")
    assert scene.run(HEAP) == []
    return scene


def test_rows_without_a_key_are_put_back_once_however_often_that_is_asked_for(heap: Scene) -> None:
    first, second = heap.ask("reapply"), heap.ask("reapply")
    assert work(heap.console, first).state == State.SUCCEEDED
    done = work(heap.console, second)
    assert (done.state, heap.run(HEAP)) == (State.STALE, [("only here",)]), done.failure_why
    with pytest.raises(Refused, match=f"operation {first.pk} has put them back"):
        heap.ask("reapply", conflict="skip")


def test_rows_without_a_key_that_an_undo_brought_back_are_not_put_back_again(heap: Scene) -> None:
    asked = heap.ask("reapply")
    heap.do("undo")
    assert heap.run(HEAP) == [("only here",)]
    with pytest.raises(Refused, match="has been replaced since"):
        heap.ask("reapply")
    assert work(heap.console, asked).state == State.STALE
    assert heap.run(HEAP) == [("only here",)]
