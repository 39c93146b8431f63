"""The launcher of our own broker."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection

from opsconsole import process
from opsconsole.embedded.redis import LONGEST_SOCKET_PATH, EmbeddedRedis, server_program, socket_path
from tests.support.servers import shared_folder
from tests.support.waiting import wait_until


@pytest.fixture
def folder() -> Iterator[Path]:
    with shared_folder() as path:
        yield path


def test_a_message_passes_through_it(redis_server: EmbeddedRedis) -> None:
    with Connection(redis_server.url()) as connection:
        queue = connection.SimpleQueue("ids")
        queue.put({"id": 7})
        assert queue.get(timeout=5).payload == {"id": 7}


def test_only_its_owner_can_reach_the_socket(redis_server: EmbeddedRedis) -> None:
    assert stat.S_IMODE(redis_server.socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(redis_server.socket.parent.stat().st_mode) == 0o700


def test_it_never_drops_messages_when_memory_runs_out(redis_server: EmbeddedRedis) -> None:
    with Connection(redis_server.url()) as connection:
        client = connection.default_channel.client
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("port") == {"port": "0"}


def test_a_long_path_gives_a_short_socket_in_a_folder_of_ours(folder: Path) -> None:
    deep = folder / ("d" * 120)
    path = socket_path(deep)
    assert len(os.fsencode(path)) <= LONGEST_SOCKET_PATH
    assert path == socket_path(deep) != socket_path(deep / "other")


def test_it_starts_in_a_folder_with_a_space_and_leaves_no_socket(folder: Path) -> None:
    server = EmbeddedRedis(folder / "my state")
    server.start(log=folder / "log")
    assert server.answers()
    server.stop()
    assert not server.socket.exists()


def test_kill_minus_nine_of_its_parent_ends_it(folder: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from opsconsole.embedded.redis import EmbeddedRedis\n"
        "folder = Path(sys.argv[1]); server = EmbeddedRedis(folder / 'redis')\n"
        "server.start(log=folder / 'log')\n"
        "(folder / 'pid').write_text(str(server.child.pid)); time.sleep(60)\n"
    )
    parent = process.spawn([process.python(), "-c", script, folder], cwd=Path(__file__).resolve().parents[2])
    wait_until(lambda: (folder / "pid").exists() and (folder / "pid").read_text(), "the server runs")
    pid = int((folder / "pid").read_text())
    parent.kill()
    parent.wait()
    wait_until(lambda: not process.alive(pid), "the server has ended")


def test_the_machines_own_server_is_preferred(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "valkey-server"
    own.touch(mode=0o755)
    monkeypatch.setattr(process, "PATH", str(tmp_path))
    assert server_program() == own
