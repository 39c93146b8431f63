"""Taking a restore back: the old content returns, what was live is kept in turn, and nobody slips in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from lifecycle.backups import expiry
from lifecycle.models import KeptCopy
from lifecycle.restores import kept
from opsconsole import operations
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import AuditEvent, Operation
from opsconsole.states import State
from tests.support.cases import typed, work
from tests.support.console import Console
from tests.support.registering import register
from tests.support.shops import ORDERS, SqliteShop

LEFT = 10  # orders that the mistake left, before the restore brought all back
WAYS = {  # (fixture, method of the restore)
    "sqlite": ("sqlite_shop", "swap"),
    "swap": ("postgres_shop", "swap"),
    "in_place": ("postgres_shop", "in_place"),
}


class Scene:
    """A shop that had lost its orders and got them back by a restore, which was itself a mistake."""

    def __init__(self, console: Console, cast: Any, shop: Any, row: Any, method: str) -> None:
        self.console, self.cast, self.shop, self.row, self.method = console, cast, shop, row, method
        self.do("backup")
        shop.lose(LEFT)
        self.restore = self.do("restore")

    def ask(self, kind: str, **parameters: str) -> Operation:
        if kind == "restore":
            parameters = {"backup": str(self.row.backups.last().pk), "method": self.method} | parameters
        return operations.request(kind, self.row, parameters, account=self.cast.ada, confirm="shop")

    def do(self, kind: str, **parameters: str) -> Operation:
        done: Operation = work(self.console, self.ask(kind, **parameters))
        assert done.state == State.SUCCEEDED, f"{done.failure_why} {done.state_reason}"
        return done

    def copies(self) -> list[tuple[int, str]]:
        """(operation, state) of everything that was kept, oldest first."""
        return list(KeptCopy.objects.order_by("id").values_list("operation_id", "state"))


@pytest.fixture(params=["sqlite"])
def scene(request: pytest.FixtureRequest, console: Console, cast: Any) -> Scene:
    """On SQLite, unless a test names the ways that matter to it."""
    fixture, method = WAYS[request.param]
    return Scene(console, cast, *request.getfixturevalue(fixture), method)


every_way = pytest.mark.parametrize("scene", WAYS, indirect=True)
both_engines = pytest.mark.parametrize("scene", ["sqlite", "swap"], indirect=True)
swapped = pytest.mark.parametrize("scene", ["swap"], indirect=True)


def refusal(ask: Callable[[], object], code: str) -> str:
    with pytest.raises(Refused) as refused:
        ask()
    assert refused.value.code == code, refused.value
    assert refused.value.next_step
    return f"{refused.value.why} {refused.value.next_step}"


@every_way
def test_an_undo_brings_back_what_the_restore_replaced_and_can_itself_be_undone(scene):
    assert scene.shop.orders() == ORDERS
    plan = operations.draft("undo", scene.row, {}, account=scene.cast.ada)
    (orders,) = [effect for effect in plan.effects if effect.object.endswith("orders")]
    assert (orders.rows_before, orders.rows_after, orders.lost) == (ORDERS, LEFT, ORDERS - LEFT)
    assert plan.confirmation.number == ORDERS - LEFT
    assert plan.evidence["written"] == f"nothing since restore {scene.restore.pk}"
    done = scene.do("undo")
    assert scene.shop.orders() == LEFT
    assert done.result["undone"] == scene.restore.pk
    assert scene.copies() == [(scene.restore.pk, "undone"), (done.pk, "kept")]
    assert KeptCopy.objects.get(operation=scene.restore).undone_by == done
    again = scene.do("undo")
    assert (scene.shop.orders(), again.result["undone"]) == (ORDERS, done.pk)
    why = refusal(lambda: scene.ask("undo", operation=str(done.pk)), "undone_already")
    assert f"by operation {again.pk}" in why
    why = refusal(lambda: scene.ask("undo", operation=str(scene.restore.pk)), "undone_already")
    assert f"live again. To undo it once more, undo operation {again.pk}." in why
    assert AuditEvent.objects.filter(type="kept.added", database_id=scene.row.pk).count() == 3


@swapped
def test_two_restores_are_undone_one_after_the_other(scene):
    scene.shop.lose(3)
    again = scene.do("restore")
    why = refusal(lambda: scene.ask("undo", operation=str(scene.restore.pk)), "replaced_since")
    assert f"Operation {again.pk} has replaced" in why
    scene.do("undo")
    assert scene.shop.orders() == 3
    scene.do("undo", operation=str(scene.restore.pk))
    assert scene.shop.orders() == LEFT


@swapped
def test_two_undos_at_once_are_one(scene):
    first, second = scene.ask("undo"), scene.ask("undo")
    assert work(scene.console, first).state == State.SUCCEEDED
    assert work(scene.console, second).state == State.STALE
    assert scene.shop.orders() == LEFT


@both_engines
def test_what_somebody_else_put_there_since_is_not_undone(scene):
    asked = scene.ask("undo")
    scene.shop.replace_by_somebody_else()
    assert work(scene.console, asked).state == State.STALE
    refusal(lambda: scene.ask("undo"), "replaced_since")
    assert scene.shop.orders() == 1


def test_nothing_can_be_undone_before_anything_was_replaced_or_after_its_time(scene):
    KeptCopy.objects.update(expires_at=now())
    assert str(scene.restore.pk) in refusal(lambda: scene.ask("undo"), "window_over")
    KeptCopy.objects.update(expires_at=now() + timedelta(hours=1))
    with pytest.raises(Usage, match=f"can be undone now: {scene.restore.pk}"):
        scene.ask("undo", operation="999999")
    KeptCopy.objects.all().delete()
    refusal(lambda: scene.ask("undo"), "nothing_to_undo")


@swapped
def test_an_undo_that_was_asked_for_in_time_keeps_its_copy_until_it_has_ended(scene):
    asked = scene.ask("undo")
    KeptCopy.objects.update(expires_at=now())
    assert expiry.drop_expired() == 0
    assert work(scene.console, asked).state == State.SUCCEEDED
    assert scene.shop.orders() == LEFT


def test_a_cancelled_undo_changes_nothing(scene):
    asked = scene.ask("undo")
    operations.cancel(asked, account=scene.cast.ada)
    assert scene.shop.orders() == ORDERS
    assert kept.undoable(scene.row) != []


def test_on_a_protected_database_somebody_else_agrees(console, cast):
    row = register("shop", SqliteShop.make(console.files).url, environment="production")
    work(console, operations.request("backup", row, {}, account=cast.ada))
    for kind in ("restore", "undo"):
        asked = operations.request(kind, row, {}, account=cast.ada)
        assert asked.state == State.PENDING_APPROVAL
        operations.approve(asked, account=cast.grace, digest=asked.digest, auth_at=now(), typed=typed(asked))
        assert work(console, asked).state == State.SUCCEEDED


@swapped
def test_rights_and_settings_given_since_the_restore_stay(scene):
    server, name = scene.shop.server, scene.shop.name
    reader = server.create_role().name
    server.run(f'GRANT CREATE ON DATABASE "{name}" TO "{reader}"; ALTER DATABASE "{name}" SET work_mem TO \'13MB\'')
    server.run(f"COMMENT ON DATABASE \"{name}\" IS 'the shop'")
    backups = scene.row.backups.count()
    assert scene.do("undo").result["old_database"] != ""
    assert scene.row.backups.count() == backups  # what was live is kept as it is
    facts = "SELECT datacl::text, shobj_description(oid, 'pg_database') FROM pg_database"
    ((rights, comment),) = server.rows(f"{facts} WHERE datname = '{name}'")
    assert f"{reader}=C/" in rights
    assert comment == "the shop"
    assert server.rows("SHOW work_mem", name) == [("13MB",)]


@swapped
def test_somebody_in_the_kept_database_is_named(scene):
    copy = KeptCopy.objects.get()
    with psycopg.connect(scene.shop.server.url(copy.name), application_name="a curious psql"):
        assert "a curious psql" in refusal(lambda: scene.ask("undo"), "kept_in_use")
    asked = scene.ask("undo")
    with psycopg.connect(scene.shop.server.url(copy.name), application_name="a curious psql"):
        assert work(scene.console, asked).state == State.STALE
    assert scene.shop.orders() == ORDERS


@swapped
def test_rows_that_went_out_of_the_kept_database_since_the_plan_stop_it(scene):
    asked = scene.ask("undo")
    unseen = "SET track_counts = off; DELETE FROM orders WHERE id = 1"  # else the count of writes tells it sooner
    scene.shop.server.run(unseen, KeptCopy.objects.get().name)
    done = work(scene.console, asked)
    assert (done.state, done.failure_code) == (State.FAILED, "kept_changed")
    assert scene.shop.orders() == ORDERS


@swapped
def test_a_value_that_was_changed_in_the_kept_database_since_the_plan_stops_it(scene):
    asked = scene.ask("undo")
    scene.shop.server.run("UPDATE orders SET cents = 1 WHERE id = 2", KeptCopy.objects.get().name)
    done = work(scene.console, asked)
    assert done.state == State.STALE and "1 updated" in done.failure_why, done.failure_why
    assert scene.shop.orders() == ORDERS


@swapped
def test_a_kept_database_that_is_gone_or_made_anew_is_refused(scene):
    asked = scene.ask("undo")
    copy = KeptCopy.objects.get()
    scene.shop.server.drop_database(copy.name)
    why = refusal(lambda: scene.ask("undo"), "kept_gone")
    assert copy.name in why
    scene.shop.server.run(f'CREATE DATABASE "{copy.name}"')
    refusal(lambda: scene.ask("undo"), "kept_gone")
    assert work(scene.console, asked).state == State.STALE
    assert scene.shop.orders() == ORDERS
