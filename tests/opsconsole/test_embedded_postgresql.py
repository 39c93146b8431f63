"""The launcher of our own PostgreSQL servers."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from opsconsole import process
from opsconsole.embedded.postgresql import EmbeddedPostgres, folder_for, package_binaries
from opsconsole.exceptions import Refused
from tests.support.servers import PostgresServer, shared_folder
from tests.support.waiting import wait_until

ROOT = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    with shared_folder() as path:
        yield path


def started(folder: Path) -> EmbeddedPostgres:
    server = EmbeddedPostgres(folder / "pg", durable=False)
    server.start(log=folder / "log")
    return server


def test_both_versions_answer(postgres: PostgresServer, postgres18: PostgresServer) -> None:
    assert postgres.rows("SHOW server_version_num")[0][0].startswith("16")
    assert postgres18.rows("SHOW server_version_num")[0][0].startswith("18")


def test_a_wrong_password_is_refused(postgres: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.server.url("postgres", password="wrong"))


def test_it_listens_on_the_loopback_address_only(postgres: PostgresServer) -> None:
    assert postgres.rows("SHOW listen_addresses") == [("127.0.0.1",)]
    assert postgres.rows("SHOW unix_socket_directories") == [("",)]


def test_the_password_is_in_no_argument_list(postgres: PostgresServer) -> None:
    pid = postgres.server.pid
    assert postgres.password.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_it_never_runs_as_root_and_its_data_is_its_own(postgres: PostgresServer) -> None:
    owner = Path(f"/proc/{postgres.server.pid}").stat().st_uid
    data = postgres.server.data.stat()
    assert owner != 0
    assert (data.st_uid, stat.S_IMODE(data.st_mode)) == (owner, 0o700)


def test_its_password_is_kept_in_a_file_of_ours(postgres: PostgresServer) -> None:
    kept = (postgres.server.folder / "password").stat()
    assert (kept.st_uid, stat.S_IMODE(kept.st_mode)) == (os.geteuid(), 0o600)


def test_a_second_start_finds_the_same_data_on_the_same_port(folder: Path) -> None:
    server = started(folder)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE kept")
    server.stop()
    again = started(folder)
    try:
        assert again.port == server.port
        psycopg.connect(again.url("kept")).close()
    finally:
        again.stop()


def test_it_stops_although_somebody_is_connected(folder: Path) -> None:
    server = started(folder)
    connection = psycopg.connect(server.url("postgres"))
    server.stop()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")


def test_kill_minus_nine_of_its_parent_ends_it(folder: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from opsconsole.embedded.postgresql import EmbeddedPostgres\n"
        "folder = Path(sys.argv[1])\n"
        "EmbeddedPostgres(folder / 'pg', durable=False).start(log=folder / 'log')\n"
        "(folder / 'up').touch(); time.sleep(60)\n"
    )
    root = Path(__file__).resolve().parents[2]
    parent = process.spawn([process.python(), "-c", script, folder], cwd=root)
    wait_until((folder / "up").exists, "the server runs")
    pid = int((folder / "pg" / "data16" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not process.alive(pid), "the server has ended")


def test_a_folder_of_somebody_else_is_refused(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "pg").symlink_to(folder / "real")
    with pytest.raises(Refused) as refusal:
        started(folder)
    assert refusal.value.code == "folder_not_ours"


def test_a_version_that_is_not_packaged_is_refused_with_the_next_step() -> None:
    with pytest.raises(Refused) as refusal:
        package_binaries(12)
    assert refusal.value.code == "no_embedded_postgresql"
    assert refusal.value.next_step


def test_root_keeps_it_outside_of_the_home_and_others_inside(tmp_path: Path) -> None:
    assert (tmp_path in folder_for(tmp_path).parents) is not ROOT
    assert folder_for(tmp_path) == folder_for(tmp_path)
