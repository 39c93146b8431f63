"""`manage.py up`: one foreground process that is the whole console, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsconsole import demo, process
from opsconsole.embedded.postgresql import folder_for
from tests.support.console import MANAGE
from tests.support.running import Running, answers, started
from tests.support.waiting import wait_until

PLAIN = {"OPSCONSOLE_DEMO": "no"}
pytestmark = pytest.mark.serial


@pytest.fixture(scope="module")
def seasoned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home on which a console has run before, so that the next one starts quickly."""
    home = tmp_path_factory.mktemp("seasoned") / "home"
    with started(home, PLAIN) as console:
        console.wait_until_ready()
        console.signal(signal.SIGTERM)
        assert console.ended() == 0, console.said()
    return home


def copy_of(seasoned: Path, folder: Path) -> Path:
    return Path(shutil.copytree(seasoned, folder / "my home", ignore=shutil.ignore_patterns("said.txt", "logs")))


@pytest.fixture
def home(seasoned: Path, tmp_path: Path) -> Path:
    return copy_of(seasoned, tmp_path)


@pytest.fixture(scope="module")
def running(seasoned: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One console for the tests that only look at it, or run something beside it."""
    with started(copy_of(seasoned, tmp_path_factory.mktemp("running")), PLAIN) as console:
        console.wait_until_ready()
        yield console


def test_it_starts_serves_and_stops_in_order(home: Path) -> None:
    with started(home, PLAIN) as console:
        console.wait_until_ready()
        assert set(console.run_file()["pids"]) == {"up", "broker", "web", "worker", "ticker", "beat"}
        assert console.get("/login/") == 200
        console.signal(signal.SIGINT)
        assert console.ended() == 0, console.said()
        assert not (console.home / "run.json").exists()
        console.wait_until_nothing_is_left()


def test_run_json_is_private_and_tells_a_second_shell_where_the_broker_is(running: Running) -> None:
    assert stat.S_IMODE((running.home / "run.json").stat().st_mode) == 0o600
    env = {"OPSCONSOLE_HOME": str(running.home), "DJANGO_SETTINGS_MODULE": "opsconsole.settings"}
    script = "from opsconsole.celery import app; print(app.conf.broker_url)"
    done = process.run([process.python(), "-c", script], env=env, cwd=MANAGE.parent)
    assert done.stdout.decode().strip() == running.run_file()["broker"]


def test_kill_minus_nine_leaves_no_process(home: Path) -> None:
    with started(home, PLAIN) as console:
        console.wait_until_ready()
        assert len(console.survivors()) > 5
        console.signal(signal.SIGKILL)
        console.ended()
        console.wait_until_nothing_is_left()


def test_kill_minus_nine_of_make_stops_everything(home: Path) -> None:
    with started(home, PLAIN, argv=["make", "-s", "run"]) as console:
        console.wait_until_ready()
        console.signal(signal.SIGKILL)
        console.wait_until_nothing_is_left()


@pytest.mark.parametrize("member", ["worker", pytest.param("broker", marks=pytest.mark.nightly)])
def test_a_member_that_dies_stops_the_others_and_is_named(home: Path, member: str) -> None:
    with started(home, PLAIN) as console:
        console.wait_until_ready()
        os.kill(console.run_file()["pids"][member], signal.SIGKILL)
        assert console.ended() == 1
        assert f"{member} was ended by signal 9" in console.said()
        assert f"logs/{member}.log" in console.said()
        console.wait_until_nothing_is_left()


def test_a_second_console_on_the_same_home_is_refused(running: Running, tmp_path: Path) -> None:
    with started(tmp_path / "other", PLAIN | {"OPSCONSOLE_HOME": str(running.home)}) as second:
        assert second.ended() == 1
        assert f"already running on {running.home} at {running.run_file()['url']}" in second.said()
    assert answers(running.run_file()["url"])


def test_a_port_in_use_is_said_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        argv = [process.python(), str(MANAGE), "up", "--port", str(port)]
        with started(tmp_path / "home", PLAIN, argv=argv) as console:
            assert console.ended() == 1
            assert f"cannot listen on 127.0.0.1:{port}" in console.said()
            assert f"make run PORT={port + 1}" in console.said()
            assert not (console.home / "console.sqlite3").exists()


def test_an_insecure_production_setting_keeps_it_from_starting(tmp_path: Path) -> None:
    env = {"OPSCONSOLE_ENV": "production", "DEBUG": "yes", "ALLOWED_HOSTS": "*"}
    with started(tmp_path / "home", env) as console:
        assert console.ended() == 1
        assert "opsconsole.E001" in console.said()
        assert "opsconsole.E002" in console.said()


@pytest.mark.nightly  # browsers start one demo by day, and tests/opsconsole/test_demo.py loads one twice
def test_a_second_start_keeps_the_demo_of_the_first(tmp_path: Path) -> None:
    told = []
    try:
        for _ in range(2):
            with started(tmp_path / "home") as console:
                console.wait_until_ready()
                told.append((console.home / "demo-people.txt").read_text())
                assert all(line.split("\t")[2] in console.said() for line in told[-1].splitlines())
                assert console.run_file()["embedded"] == str(folder_for(console.home))
                console.signal(signal.SIGTERM)
                assert console.ended() == 0, console.said()
    finally:
        demo.remove(tmp_path / "home")
    assert told[0] == told[1]


def test_production_has_no_demo(home: Path) -> None:
    env = {"OPSCONSOLE_ENV": "production", "ALLOWED_HOSTS": "console.example.test"}
    with started(home, env) as console:
        console.wait_until_ready()
        assert not (console.home / "demo-people.txt").exists()
        assert "demo-postgresql" not in console.run_file()["pids"]


def test_a_worker_elsewhere_serves_its_queue_and_stops(running: Running, tmp_path: Path) -> None:
    env = {
        "BROKER_URL": running.run_file()["broker"],
        "DATABASE_URL": f"sqlite:///{running.home / 'console.sqlite3'}".replace(" ", "%20"),
        "OPSCONSOLE_STORE": str(running.home / "store"),
    }
    shutil.copytree(running.home / "keys", tmp_path / "elsewhere" / "keys")
    argv = [process.python(), str(MANAGE), "worker", "--queues", "amsterdam"]
    with started(tmp_path / "elsewhere", env, argv=argv) as worker:
        log = worker.home / "logs" / "worker-amsterdam" / "worker.log"
        wait_until(lambda: log.exists() and "ready." in log.read_text(), "the worker is ready", seconds=60)
        worker.signal(signal.SIGTERM)
        assert worker.ended() == 0, worker.said()
        worker.wait_until_nothing_is_left()


def test_a_worker_elsewhere_without_the_console_s_keys_says_what_is_missing(home: Path, tmp_path: Path) -> None:
    database = f"sqlite:///{home / 'console.sqlite3'}".replace(" ", "%20")
    argv = [process.python(), str(MANAGE), "worker"]
    env = {"BROKER_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": database, "OPSCONSOLE_STORE": str(home / "store")}
    with started(tmp_path / "elsewhere", env, argv=argv) as worker:
        assert worker.ended() == 1
        assert "Copy the folder keys" in worker.said()


def test_a_worker_without_a_broker_says_what_is_missing(tmp_path: Path) -> None:
    with started(tmp_path / "home", argv=[process.python(), str(MANAGE), "worker"]) as worker:
        assert worker.ended() == 1
        assert "BROKER_URL is not set" in worker.said()
