"""A restore keeps the rows that it takes away in a patch, and a reapply puts them back: all of them, or none."""

from __future__ import annotations

import io
import sqlite3
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.test import Client

from lifecycle.backups import downloads, manifest
from lifecycle.models import Patch
from lifecycle.patches import listing
from opsconsole import operations
from opsconsole.audit.reconciliation import reconcile
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.keys import public_keys
from opsconsole.models import AuditEvent
from opsconsole.states import State
from opsconsole.verify_audit import Report
from tests.lifecycle.conftest import POSTGRESQL_AT_NIGHT
from tests.lifecycle.test_crashes import die_at
from tests.support.cases import work
from tests.support.console import Console
from tests.support.people import PASSWORD

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


@POSTGRESQL_AT_NIGHT
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
        pytest.param("postgresql", "reapply.committed", True, marks=pytest.mark.nightly),
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
    folder = scene.console.home / "store" / scene.restore.patch.key
    (written,) = Path(folder).glob("data/*.zst")
    written.write_bytes(written.read_bytes()[:-1] + b"x")
    assert work(scene.console, asked).state == State.FAILED
    assert scene.patched() == []


@POSTGRESQL_AT_NIGHT
def test_a_patch_is_downloaded_as_it_was_signed_and_let_go_in_time_unless_a_reapply_needs_it(
    scene: Scene, cast: Any
) -> None:
    patch = Patch.objects.get(pk=scene.restore.pk)
    (name,) = patch.tables
    assert (patch.rows, patch.tables[name], patch.database) == (2, 2, scene.database)
    begun = downloads.begin(patch, cast.ada)
    with tarfile.open(fileobj=io.BytesIO(b"".join(begun.stream()))) as tar:
        first, second = tar.getmembers()
        keys = public_keys(scene.console.home, "manifest")
        signed = manifest.read(tar.extractfile(first).read(), keys)  # type: ignore[union-attr]
        (held,) = signed.contents.objects
        packed = tar.extractfile(second).read()  # type: ignore[union-attr]
    assert (first.name, second.name) == (
        f"shop-patch-{patch.pk}/manifest.json",
        f"shop-patch-{patch.pk}/data/0001.zst",
    )
    assert (signed.digest, f"sha256:{sha256(packed).hexdigest()}") == (patch.manifest_sha256, held.sha256)

    html = _page(scene)
    assert f"Reapply the 2 rows of {name}" in html
    assert f'href="/patches/{patch.pk}/"' in html
    folder = scene.console.home / "store" / patch.key
    asked = scene.ask("reapply")
    Patch.objects.update(expires_at=now())
    assert (listing.drop_expired(), listing.tidy(), folder.is_dir()) == (0, 0, True)
    assert work(scene.console, asked).state == State.SUCCEEDED
    assert (listing.drop_expired(), folder.exists()) == (1, False)
    assert AuditEvent.objects.filter(type="patch.dropped").count() == 1
    assert "Reapply the" not in _page(scene)
    with pytest.raises(Refused, match="was kept until"):
        scene.ask("reapply", restore=str(patch.pk))
    with pytest.raises(Refused, match="was kept until"):
        downloads.begin(patch.__class__.objects.get(pk=patch.pk), cast.ada)
    report = Report()
    reconcile(report)
    assert report.findings == []


def _page(scene: Scene) -> str:
    browser = Client()
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    return browser.get(f"/operations/{scene.restore.pk}/").content.decode()


@pytest.mark.parametrize("any_shop", ["sqlite"], indirect=True)
def test_the_tick_lists_a_patch_that_nobody_listed_and_ends_a_removal_that_was_cut_short(scene: Scene) -> None:
    folder = scene.console.home / "store" / scene.restore.patch.key
    Patch.objects.all().delete()  # as in a console that is older than the list
    assert (listing.tidy(), listing.tidy()) == (1, 0)
    patch = Patch.objects.get()
    assert (patch.pk, patch.rows) == (scene.restore.pk, 2)
    Patch.objects.update(state=Patch.State.DROPPED)  # killed before its folder was removed
    assert (listing.tidy(), folder.exists()) == (1, False)


def test_without_a_patch_there_is_nothing_to_reapply(console: Console, cast: Any, sqlite_shop: Any) -> None:
    with pytest.raises(Usage, match="kept a patch"):
        operations.request("reapply", sqlite_shop[1], {}, account=cast.ada, confirm="shop")


@pytest.mark.parametrize(("point", "patches"), [("restore.before_swap", 0), ("restore.swapped", 1)])
def test_a_restore_that_dies_leaves_a_patch_only_past_its_commit_point_and_then_it_is_listed(
    console: Console, cast: Any, sqlite_shop: Any, point: str, patches: int
) -> None:
    shop, database = sqlite_shop
    work(console, operations.request("backup", database, {}, account=cast.ada))
    with sqlite3.connect(shop.path) as line:
        line.execute("INSERT INTO orders VALUES (1001, 1, 5)")
    line.close()
    asked = operations.request("restore", database, {"patch": "yes"}, account=cast.ada, confirm="shop")
    done = die_at(console, asked, point, "runner")
    assert done.state == (State.SUCCEEDED if patches else State.FAILED), done.failure_why
    assert Patch.objects.filter(pk=done.pk, rows=1).count() == patches
    left = sorted(path.name for path in (console.home / "store" / "patches").rglob("*.*"))
    assert left == ["0001.zst", "manifest.json"] * patches


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
