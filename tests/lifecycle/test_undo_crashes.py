"""Kill -9 in an undo: the content from before or from after, and what is kept is listed as it is."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle.models import KeptCopy
from lifecycle.restores import kept
from opsconsole import operations
from opsconsole.models import Operation
from opsconsole.states import State
from tests.lifecycle.test_crashes import assert_nothing_left, die_at, start_worker
from tests.lifecycle.test_undo import LEFT, WAYS, Scene
from tests.support.cases import wait_until, work
from tests.support.shops import ORDERS

SWAP = ["restore.before_swap", "restore.in_swap", "restore.swapped", "finish.before"]
SQLITE = ["restore.staging_half", "sqlite.copied", "restore.swapped"]
IN_PLACE = ["inplace.mid", "restore.swapped"]
RUN = ["lock.acquired", "arm.before", "arm.committed", "finish.before", "finish.committed"]
FEW = [("swap", "restore.in_swap"), ("swap", "restore.swapped"), ("sqlite", "sqlite.copied")]
ALL = (
    [("swap", point) for point in RUN[:3] + SWAP]
    + [("sqlite", point) for point in [*RUN, "backup.manifest_renamed", "sqlite.copy_half", "restore.in_swap", *SQLITE]]
    + [("in_place", point) for point in [*IN_PLACE, "restore.before_swap", "finish.before"]]
)


@pytest.fixture
def scene_on(request: pytest.FixtureRequest, console: Any, cast: Any) -> Any:
    def make(way: str) -> Scene:
        fixture, method = WAYS[way]
        return Scene(console, cast, *request.getfixturevalue(fixture), method)

    return make


def assert_consistent(scene: Scene, undo: Operation) -> None:
    """The content fits the state, and so do the rows of what is kept; what they say can be undone can be."""
    assert undo.state in (State.SUCCEEDED, State.FAILED), undo.state_reason
    done = undo.state == State.SUCCEEDED
    assert scene.shop.orders() == (LEFT if done else ORDERS)
    restore = (scene.restore.pk, "undone" if done else "kept")
    assert scene.copies() == [restore, (undo.pk, "kept")] if done else [restore]
    assert [row.operation_id for row in kept.undoable(scene.row)] == [undo.pk if done else scene.restore.pk]
    assert_nothing_left(scene.console, scene.shop, undo)


@pytest.mark.parametrize(("way", "point"), FEW)
def test_an_undo_whose_runner_dies_is_done_or_not_and_listed_as_it_is(scene_on, way, point):
    scene = scene_on(way)
    assert_consistent(scene, die_at(scene.console, scene.ask("undo"), point, "runner"))


@pytest.mark.nightly
@pytest.mark.parametrize("victim", ["runner", "worker"])
@pytest.mark.parametrize(("way", "point"), ALL)
def test_an_undo_that_dies_anywhere_is_done_or_not_and_can_be_asked_for_again(scene_on, way, point, victim):
    scene = scene_on(way)
    assert_consistent(scene, die_at(scene.console, scene.ask("undo"), point, victim))
    before = scene.shop.orders()
    scene.do("undo")
    assert scene.shop.orders() == (ORDERS if before == LEFT else LEFT)


def test_what_a_restore_replaced_is_listed_by_whoever_recovers_it(scene_on):
    scene = scene_on("swap")
    scene.shop.lose(3)
    restore = die_at(scene.console, scene.ask("restore"), "restore.swapped", "runner")
    assert restore.state == State.SUCCEEDED
    scene.do("undo")
    assert scene.shop.orders() == 3


def test_an_undo_that_is_cancelled_before_its_commit_point_changes_nothing(scene_on):
    scene = scene_on("swap")
    undo = scene.ask("undo")
    worker = start_worker(scene.console, undo, "restore.before_swap:sleep=4")
    wait_until(lambda: hasattr(Operation.objects.get(pk=undo.pk), "grant"), what="the arming")
    operations.cancel(undo, account=scene.cast.ada)
    worker.wait(60)
    undo.refresh_from_db()
    assert undo.state == State.CANCELLED
    assert (scene.shop.orders(), scene.copies()) == (ORDERS, [(scene.restore.pk, "kept")])
    assert KeptCopy.objects.get().state == KeptCopy.State.KEPT
    assert work(scene.console, scene.ask("undo")).state == State.SUCCEEDED
