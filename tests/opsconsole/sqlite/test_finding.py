"""Where an SQLite file may be, and what it may be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opsconsole.engines.labels import Label
from opsconsole.engines.sqlite import SqliteEngine, connections
from opsconsole.engines.sqlite import files as finding
from opsconsole.exceptions import TargetProblem
from tests.support import sqlite_files as files


def problem(path: Path, *roots: Path) -> str:
    with pytest.raises(TargetProblem) as refused:
        files.engine(path, roots=roots).identity()
    return refused.value.code


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///relative.db",
        "sqlite://host/abs.db",
        "sqlite:memory:",
        "postgresql:////a",
        "sqlite:////a?x=1",
        "sqlite:////a?flavour=x",
        "sqlite:////a%00b",
        "sqlite:////a#b",
    ],
)
def test_another_form_of_url_is_refused(url: str) -> None:
    with pytest.raises(TargetProblem) as refused:
        SqliteEngine.parse(url, roots=[Path("/")])
    assert refused.value.code == "refused"


def test_the_flavour_is_part_of_the_url() -> None:
    address = SqliteEngine.parse("sqlite:////srv/a%20b.db?flavour=d1", roots=[Path("/srv")])
    assert (address.name, address.flavour, address.path) == ("a b.db", "d1", "/srv/a b.db")
    assert SqliteEngine.parse(address.display, roots=[Path("/srv")]) == address


def test_a_path_outside_the_roots_is_refused(tmp_path: Path) -> None:
    assert problem(files.plain(tmp_path / "a.db"), tmp_path / "elsewhere") == "permission"
    assert problem(tmp_path / "inside" / ".." / "a.db", tmp_path / "inside") == "permission"


def test_a_folder_whose_name_only_begins_like_a_root_is_outside(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root2").mkdir()
    assert problem(files.plain(tmp_path / "root2" / "a.db"), tmp_path / "root") == "permission"


def test_without_roots_nothing_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(TargetProblem):
        SqliteEngine.parse(f"sqlite:///{tmp_path}/a.db")


@pytest.mark.parametrize("link", ["file", "folder"])
def test_a_symlink_out_of_the_roots_is_refused(tmp_path: Path, link: str) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "out").mkdir()
    real = files.plain(tmp_path / "out" / "a.db")
    (tmp_path / "root" / "link").symlink_to(real if link == "file" else real.parent)
    path = tmp_path / "root" / "link" if link == "file" else tmp_path / "root" / "link" / "a.db"
    assert problem(path, tmp_path / "root") == "permission"


def test_a_symlink_that_is_turned_round_later_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    files.plain(tmp_path / "root" / "a.db")
    files.plain(tmp_path / "out.db")
    (tmp_path / "root" / "link").symlink_to("a.db")
    engine = files.engine(tmp_path / "root" / "link", roots=[tmp_path / "root"])
    assert engine.identity()
    (tmp_path / "root" / "link").unlink()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "out.db")
    assert [check.code for check in engine.check()] == ["permission"]


def test_a_symlink_within_the_roots_is_the_same_database(tmp_path: Path) -> None:
    real = files.plain(tmp_path / "a.db")
    (tmp_path / "link.db").symlink_to(real)
    facts = real.stat()
    identity = files.engine(tmp_path / "link.db").identity()
    assert identity == files.engine(real).identity()
    assert identity.key == f"sqlite:{facts.st_dev}:{facts.st_ino}:{real}"


def test_a_missing_file_is_missing_and_is_not_made(tmp_path: Path) -> None:
    assert problem(tmp_path / "none.db") == "missing"
    assert problem(tmp_path / "no" / "folder.db", tmp_path) == "missing"
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_two_names_is_refused(tmp_path: Path) -> None:
    os.link(files.plain(tmp_path / "a.db"), tmp_path / "b.db")
    assert problem(tmp_path / "a.db") == "refused"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, make: object) -> None:
    make(tmp_path / "thing")  # type: ignore[operator]
    assert problem(tmp_path / "thing") == "refused"


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "fuseblk"])
def test_a_network_file_system_is_refused(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "file_system_of", lambda mount, mountinfo: kind)
    assert problem(files.plain(tmp_path / "a.db")) == "refused"


def test_the_kind_of_a_mount_is_read_as_the_kernel_writes_it() -> None:
    text = (
        "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n36 27 0:39 / /mnt/my\\040share rw - nfs4 host:/x rw\n"
    )
    assert [finding.file_system_of(mount, text) for mount in ("27", "36", "3")] == ["ext4", "nfs4", ""]


def test_a_file_replaced_between_looking_and_opening_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = files.plain(tmp_path / "a.db")
    sound = connections.sound

    def then_replaced(spot: finding.Spot) -> os.stat_result:
        facts = sound(spot)
        real.rename(tmp_path / "moved.db")
        files.plain(real)
        return facts

    monkeypatch.setattr(connections, "sound", then_replaced)
    assert problem(real) == "refused"


def test_files_of_other_operations_are_told_apart() -> None:
    owner = finding.staging_owner
    run = Label("opsconsole/us", 7, 2)
    assert owner("a.db", finding.staging_name("a.db", run)) == (run.tag, 7, 2)
    assert owner("a.db", finding.staging_name("a.db", run) + "-journal") == (run.tag, 7, 2)
    assert owner("a.db", "a.db.opsconsole-7.2.staging") == ("", 7, 2)
    assert not finding.staged_by("a.db", finding.staging_name("a.db", Label("opsconsole/them", 7, 2)), run)
    assert [
        owner("a.db", name) for name in ("a.db", "a.db-wal", "a.db.opsconsole-lock", "b.db.opsconsole-7.2.staging")
    ] == [None] * 4
