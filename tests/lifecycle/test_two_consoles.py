"""Two consoles at one target under different names: one works, the other says who holds it, waits, and then works.

Both count operations and fences from one, and their runs here carry equal numbers on purpose.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from opsconsole import operations, recovery
from opsconsole.embedded.postgresql import EmbeddedPostgres
from opsconsole.exceptions import TargetProblem
from opsconsole.instance import instance_id
from opsconsole.models import Operation
from opsconsole.states import State
from tests.support.cases import environment_of, events_of, runners_of, state_of, stopped_at, wait_until, work
from tests.support.console import Console
from tests.support.registering import register
from tests.support.servers import PostgresServer, shared_folder
from tests.support.shops import PostgresShop, SqliteShop
from tests.support.two_consoles import Pair, two_consoles


def nightly(alias: str) -> Any:
    return pytest.param(alias, marks=pytest.mark.nightly)


PATIENT = {"LEASE_SECONDS": "300", "SELF_FENCE_SECONDS": "200"}  # whoever is stopped here is not given up


@dataclass
class Scene:
    """A shop, and the addresses under which the two consoles know it."""

    pair: Pair
    shop: Any
    urls: tuple[str, str]
    staged: Callable[[], list[str]]

    def request(self, console: Console, kind: str) -> Operation:
        """Register the shop with this console when it is not, and ask for an operation there."""
        from opsconsole.models import Database

        cast = self.pair.casts[console.home]
        url = self.urls[0] if console is self.pair.first else self.urls[1]
        row = Database.objects.filter(name="shop").first() or register("shop", url, environment="development")
        return operations.request(kind, row, {}, account=cast.ada, confirm="shop")


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[PostgresServer, Path]]:
    """A server that can also be reached through a socket, and the socket's folder."""
    with shared_folder() as folder:
        sockets = folder / "sockets"
        sockets.mkdir(mode=0o777)
        sockets.chmod(0o777)
        running = EmbeddedPostgres(folder / "pg", major=16, durable=False)
        running.start(log=folder / "log", settings={"unix_socket_directories": str(sockets)})
        try:
            yield PostgresServer(running), sockets
        finally:
            running.stop()


@pytest.fixture
def scene(
    request: pytest.FixtureRequest,
    console_templates: Any,
    tmp_path: Path,
    settings: Any,
    django_db_blocker: Any,
) -> Iterator[Scene]:
    """The shop on the engine, and under the second name, that `request.param` says."""
    files, links = tmp_path / "files", tmp_path / "links"
    for folder in (files, links):
        folder.mkdir()
    roots = [files, links]
    alias: str = request.param
    shop: Any
    if alias == "symlink":
        shop = SqliteShop.make(files)
        (links / "other.sqlite").symlink_to(shop.path)
        urls = shop.url, f"sqlite:///{links / 'other.sqlite'}"
    else:
        postgres, sockets = request.getfixturevalue("server")
        roots.append(sockets)
        shop = PostgresShop.make(postgres)
        port = postgres.port
        other = shop.url.replace("127.0.0.1", "localhost")
        if alias == "socket":
            other = shop.url.replace(f"127.0.0.1:{port}", "") + f"?host={sockets}&port={port}"
        assert other != shop.url
        urls = shop.url, other

    def staged() -> list[str]:
        if alias == "symlink":
            return sorted(p.name for p in files.iterdir() if p.name.endswith(".staging"))
        with psycopg.connect(shop.server.url("postgres")) as db:
            query = "SELECT datname FROM pg_database WHERE datname LIKE %s ORDER BY 1"
            return [row[0] for row in db.execute(query, (f"{shop.name}\\_\\_oc\\_%",))]

    with django_db_blocker.unblock(), two_consoles(console_templates("sqlite"), tmp_path, settings, roots) as pair:
        yield Scene(pair, shop, urls, staged)


@pytest.mark.parametrize("scene", [nightly("localhost"), "socket", "symlink"], indirect=True)
def test_one_works_and_the_other_names_it_waits_and_then_works(scene: Scene) -> None:
    first, second = scene.pair.first, scene.pair.second
    with scene.pair.at(first):
        ours = scene.request(first, "backup")
        worker = stopped_at(first, ours, "backup.mid", **PATIENT)
        holder, fence = instance_id(), ours.fence
    with scene.pair.at(second):
        theirs = work(second, scene.request(second, "backup"))
        assert theirs.state == State.QUEUED
        assert f"opsconsole/{holder}/{ours.id}/{fence} holds the target" in theirs.waiting_for
        assert (theirs.id, theirs.fence) == (ours.id, fence), (
            "the numbers must be equal for this test to mean something"
        )
        assert holder != instance_id()
    with scene.pair.at(first):
        for pid in runners_of(ours):
            os.kill(pid, signal.SIGCONT)
        assert worker.wait(60) == 0
        assert (state_of(ours), events_of(ours).count("op.claimed")) == (State.SUCCEEDED, 1)
    with scene.pair.at(second):
        Operation.objects.filter(pk=theirs.pk).update(run_after=None)
        assert work(second, theirs).state == State.SUCCEEDED
        assert events_of(theirs).count("op.waiting") == 1
    assert scene.shop.orders() == 200


def lost_while_building(scene: Scene, console: Console) -> Operation:
    """A restore whose worker and runner are dead, and whose copy is still there."""
    work(console, scene.request(console, "backup"))
    restore = scene.request(console, "restore")
    worker = stopped_at(console, restore, "restore.before_swap")
    for pid in [worker.pid, *runners_of(restore)]:
        os.kill(pid, signal.SIGKILL)
    worker.wait()
    return restore


@pytest.mark.serial
@pytest.mark.parametrize("scene", ["localhost", nightly("symlink")], indirect=True)
def test_each_sweeps_its_own_leftovers_and_never_the_other_ones(scene: Scene) -> None:
    lost = {}
    for console in (scene.pair.first, scene.pair.second):
        with scene.pair.at(console):
            lost[console.home] = lost_while_building(scene, console)
    ours, theirs = lost.values()
    assert (ours.id, ours.fence) == (theirs.id, theirs.fence)
    for count, console in ((2, scene.pair.first), (1, scene.pair.second)):
        before = scene.staged()
        assert len(before) == count, before
        with scene.pair.at(console), environment_of(console):
            wait_until(lambda row=lost[console.home]: recovery.reap() is not None and state_of(row) == State.FAILED)
        assert len(set(before) - set(scene.staged())) == 1
    assert scene.staged() == []
    assert scene.shop.orders() == 200


@pytest.mark.parametrize("scene", ["symlink"], indirect=True)
def test_a_file_with_two_real_names_is_refused_by_both(scene: Scene) -> None:
    os.link(scene.shop.path, scene.shop.path.with_name("second-name.sqlite"))
    for console in (scene.pair.first, scene.pair.second):
        with scene.pair.at(console), pytest.raises(TargetProblem, match="hard links"):
            scene.request(console, "backup")
