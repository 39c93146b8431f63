"""Folders are brought by those who may ask for work, kept as one object, verified, and go when their time is over."""

from __future__ import annotations

import zipfile
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from lifecycle.migrating import folders, roots
from lifecycle.models import MigrationFolder
from opsconsole.clock import now
from opsconsole.exceptions import OperationFailed, Refused, Usage
from opsconsole.models import AuditEvent
from tests.lifecycle.conftest import stored_files
from tests.support.console import Console
from tests.support.people import Cast


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_a.sql").write_bytes(b"SELECT 1;\r\n")
    (folder / "0002_b.sql").write_bytes(b"\xef\xbb\xbfSELECT 2;")
    return folder


def test_a_folder_is_kept_as_it_was_and_found_again(console: Console, cast: Cast, sqlite_shop: Any, made: Path) -> None:
    database = sqlite_shop[1]
    row = folders.from_path(database, made, cast.ada)
    assert (row.name, row.files, row.size, row.way, row.received_by) == ("migrations", 2, 23, "command", cast.ada)
    opened = folders.open_folder(MigrationFolder.objects.get())
    assert opened.files == {"0001_a.sql": b"SELECT 1;\r\n", "0002_b.sql": b"\xef\xbb\xbfSELECT 2;"}
    assert (opened.digest, [path.name for path in stored_files(console)]) == (row.digest, [f"{row.digest[7:]}.tar"])
    assert folders.from_path(database, made, cast.ada) == row  # a plan that is asked for again leaves nothing more
    (made / "0002_b.sql").write_bytes(b"SELECT 2;")
    assert folders.from_path(database, made, cast.ada) != row
    (made / "0002_b.sql").write_bytes(b"\xef\xbb\xbfSELECT 2;")
    again = folders.from_path(database, made, cast.ada)
    assert (again.digest, folders.find(database, ""), folders.find(database, str(row.pk))) == (row.digest, again, row)
    told = AuditEvent.objects.filter(type="folder.received").first()
    assert told is not None and f"folder {again.pk} (migrations)".encode() in bytes(told.payload)
    with pytest.raises(Usage, match=r"No folder 99 was brought.*There are"):
        folders.find(database, "99")


def test_only_who_may_ask_for_work_brings_one_and_strangers_see_none(cast: Cast, sqlite_shop: Any, made: Path) -> None:
    for account in (cast.audrey, cast.mallory):
        with pytest.raises(Refused, match="does not let you bring files"):
            folders.from_path(sqlite_shop[1], made, account)
    row = folders.from_path(sqlite_shop[1], made, cast.ada)
    assert (list(folders.visible(cast.audrey)), list(folders.visible(cast.mallory))) == ([row], [])


def test_a_folder_of_the_consoles_machine_lies_below_a_root(
    console: Console, cast: Cast, sqlite_shop: Any, settings: Any, made: Path, tmp_path: Path
) -> None:
    settings.OPSCONSOLE_ROOTS = [tmp_path]
    row = folders.from_root(sqlite_shop[1], str(made), cast.ada)
    assert (row.way, row.files) == ("root", 2)
    (tmp_path / "way").symlink_to(made)
    with pytest.raises(Refused, match="without links"):
        folders.from_root(sqlite_shop[1], str(tmp_path / "way"), cast.ada)
    for path in ("/etc", f"{tmp_path}/../etc", f"{tmp_path}x", "migrations"):
        with pytest.raises(Usage, match="not below a folder that the console may use"):
            folders.from_root(sqlite_shop[1], path, cast.ada)


def test_a_folder_that_is_kept_for_another_owner_group_is_neither_read_nor_passed_through(
    cast: Cast, sqlite_shop: Any, settings: Any, made: Path, tmp_path: Path
) -> None:
    database = sqlite_shop[1]
    settings.OPSCONSOLE_ROOTS = [tmp_path]
    settings.OPSCONSOLE_ROOT_GROUPS = {str(made): "strangers"}
    for path in (str(made), f"{made}/./"):
        with pytest.raises(Refused, match="kept for another owner group than") as refused:
            folders.read_root(database, path)
    assert refused.value.code == "other_group"
    with pytest.raises(Refused, match="lies what is kept for another owner group"):
        folders.from_root(database, str(tmp_path), cast.ada)
    assert roots.offered(database) == [str(tmp_path)]
    settings.OPSCONSOLE_ROOT_GROUPS = {str(tmp_path): "strangers", str(made): database.owner_group.name}
    assert len(folders.read_root(database, str(made)).files) == 2  # the nearest one counts
    assert roots.offered(database) == [str(made)]


def test_damage_in_the_store_is_found(console: Console, cast: Cast, sqlite_shop: Any, made: Path) -> None:
    row = folders.from_path(sqlite_shop[1], made, cast.ada)
    (path,) = stored_files(console)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"SELECT 1", b"SELECT 3"))
    with pytest.raises(OperationFailed, match="not what was brought"):
        folders.open_folder(row)
    path.unlink()
    with pytest.raises(OperationFailed, match="not what was brought"):
        folders.open_folder(row)


def test_it_goes_when_its_time_is_over_and_nothing_unlisted_stays(
    console: Console, cast: Cast, sqlite_shop: Any, made: Path
) -> None:
    row = folders.from_path(sqlite_shop[1], made, cast.ada)
    assert (folders.drop_expired(), folders.tidy()) == (0, 0)
    MigrationFolder.objects.update(expires_at=now() - timedelta(minutes=1))
    assert (folders.drop_expired(), folders.drop_expired(), stored_files(console)) == (1, 0, [])
    row.refresh_from_db()
    with pytest.raises(Refused, match="was kept until"):
        folders.open_folder(row)
    assert folders.newest(sqlite_shop[1]) is None
    kept = folders.from_path(sqlite_shop[1], made, cast.ada)
    left = console.home / "store" / "folders" / "20200101T000000Z-0123456789abcdef"
    left.mkdir()
    (left / "x.tar").write_bytes(b"left by a process that died")
    assert (folders.tidy(), len(stored_files(console))) == (1, 1)
    assert folders.open_folder(kept).digest == kept.digest


def test_a_form_sends_a_folder_by_its_paths_or_one_archive(console: Console, cast: Cast, sqlite_shop: Any) -> None:
    given = {"repo/db/0001_a.sql": b"SELECT 1;", "repo/README.md": b"", "repo/node_modules/x/0001_b.sql": b""}
    by_path = folders.from_upload(sqlite_shop[1], cast.ada, [(path, BytesIO(data)) for path, data in given.items()])
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, data in given.items():
            archive.writestr(path, data)
    packed.seek(0)
    zipped = folders.from_upload(sqlite_shop[1], cast.ada, [("repo.zip", packed)])
    assert folders.open_folder(by_path).files == folders.open_folder(zipped).files == {"db/0001_a.sql": b"SELECT 1;"}
    assert (by_path.name, zipped.name, by_path.way) == ("repo", "repo.zip", "upload")
    one = folders.from_upload(sqlite_shop[1], cast.ada, [("0001_a.sql", BytesIO(b"SELECT 1;"))])
    assert folders.open_folder(one).files == {"0001_a.sql": b"SELECT 1;"}
    with pytest.raises(Refused, match="leads elsewhere"):
        folders.from_upload(sqlite_shop[1], cast.ada, [("../0001_a.sql", BytesIO(b""))])
    with pytest.raises(Usage, match="none that a migration tool reads"):
        folders.from_upload(sqlite_shop[1], cast.ada, [])
