"""What `check` says of files that cannot be worked on, hostile ones included. It never raises."""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from opsconsole.engines.sqlite import connections
from opsconsole.exceptions import OpsError
from tests.support import sqlite_files as files


def codes(path: Path) -> list[str]:
    return [check.code for check in files.engine(path).check()]


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_sound_file_is_well(tmp_path: Path, mode: str) -> None:
    (check,) = files.engine(files.plain(tmp_path / "a.db", mode=mode)).check()
    assert (check.code, check.ok) == ("ok", True)
    assert "3 tables" in check.detail and mode in check.detail


def test_an_empty_file_is_an_empty_database(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    assert codes(tmp_path / "a.db") == ["ok"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (check,) = files.engine(tmp_path / "a.db").check()
    assert (check.code, check.ok) == ("missing", False)
    assert str(tmp_path) in check.detail and check.next_step


@pytest.mark.parametrize(
    "content", [b"hello", b"x" * 5000, b"SQLite format 3\0", b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_another_file_is_not_a_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.db").write_bytes(content)
    assert codes(tmp_path / "a.db") == ["not_a_database"]


def test_a_file_that_was_cut_short_is_damaged(tmp_path: Path) -> None:
    path = files.plain(tmp_path / "a.db")
    path.write_bytes(path.read_bytes()[: 5 * 4096])
    assert codes(path) == ["not_a_database"]


@pytest.mark.parametrize("offset", [0, 1, 3, 5, 8, 9])
def test_nonsense_in_the_head_of_a_page_is_damage(tmp_path: Path, offset: int) -> None:
    path = files.plain(tmp_path / "a.db")
    (root,) = files.rows(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'settings'")[0]
    data = bytearray(path.read_bytes())
    place = (int(str(root)) - 1) * 4096 + offset
    data[place : place + 2] = struct.pack(">H", 0xFEFE)
    path.write_bytes(data)
    assert codes(path) in (["not_a_database"], ["ok"] if offset in {1, 5} else [])


def test_a_cell_that_says_it_is_huge_is_damage_and_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    files.run_sql(path, "CREATE TABLE t (a)", "INSERT INTO t VALUES ('abc')")
    data = bytearray(path.read_bytes())
    cell = data.index(b"abc", 4096) - 4  # payload size, row id, header size, type of the column
    data[cell : cell + 1] = b"\xff"
    path.write_bytes(data)
    assert codes(path) == ["not_a_database"]
    with pytest.raises(OpsError):
        files.engine(path).page("t")


def test_a_schema_that_calls_functions_is_not_trusted(tmp_path: Path) -> None:
    path = files.plain(tmp_path / "a.db")
    files.run_sql(path, "CREATE VIEW evil AS SELECT load_extension('x')")
    assert codes(path) == ["ok"]
    with pytest.raises(OpsError), files.engine(path).reading() as connection:
        connection.execute("SELECT * FROM evil").fetchall()


def test_a_locked_database_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.plain(tmp_path / "a.db")
    monkeypatch.setitem(connections.reading.__wrapped__.__kwdefaults__, "busy_seconds", 0.1)  # type: ignore[attr-defined]
    with closing(sqlite3.connect(path, isolation_level=None)) as app:
        app.execute("BEGIN EXCLUSIVE")
        assert codes(path) == ["locked"]


def test_an_old_library_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 39, 4))
    assert codes(files.plain(tmp_path / "a.db")) == ["version"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_that_the_console_may_not_write_is_named(what: str) -> None:
    with TemporaryDirectory() as folder:  # pytest's own folders cannot be entered by others
        path = files.plain(Path(folder) / "a.db")
        Path(folder).chmod(0o755 if what == "folder" else 0o777)
        path.chmod(0o666 if what == "folder" else 0o644)
        assert as_nobody(lambda: codes(path)) == "['permission']"


def as_nobody(act: Callable[[], object]) -> str:
    """The text of a result, computed in a child that has no rights."""
    out, into = os.pipe()
    if (child := os.fork()) == 0:
        os.setresuid(65534, 65534, 65534)
        os.write(into, str(act()).encode())
        os._exit(0)
    os.close(into)
    os.waitpid(child, 0)
    with open(out, "rb") as result:
        return result.read().decode()
