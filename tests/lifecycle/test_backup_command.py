"""`manage.py backup`: list, show, download."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lifecycle.models import Backup
from opsconsole import operations
from opsconsole.clock import now
from opsconsole.models import AuditEvent, Operation
from opsconsole.states import State
from tests.support.cases import make_shop, work
from tests.support.commands import Say, speaker
from tests.support.console import Console
from tests.support.people import PASSWORD, Cast, close_bootstrap
from tests.support.registering import register
from tests.support.waiting import wait_until


@pytest.fixture
def say(console: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Say:
    monkeypatch.chdir(tmp_path)
    return speaker(monkeypatch)


@pytest.fixture
def kept(console: Console, cast: Cast) -> Backup:
    """A backup of an unprotected database."""
    return _backed_up(console, cast, "shop", "development")


@pytest.fixture
def guarded(console: Console, cast: Cast) -> Backup:
    """A backup of a protected database."""
    return _backed_up(console, cast, "vault", "production")


def test_the_backups_of_a_database_are_listed(say: Say, kept: Backup) -> None:
    said = say("backup", "list", "shop", "--json").json
    assert said["database"] == "shop"
    assert [(row["id"], row["state"], row["rows"]) for row in said["backups"]] == [(kept.id, "good", kept.rows)]
    assert "native" in say("backup", "list", "shop").out


def test_one_is_shown_with_what_it_holds_and_what_is_proven(say: Say, kept: Backup) -> None:
    said = say("backup", "show", str(kept.id), "--json").json
    assert said["manifest"]["tables"] == {"customers": 10, "orders": 200}
    assert said["manifest"]["digest"] == kept.manifest_sha256
    assert said["checks"][0]["level"] == "V1"
    assert (said["stores"], said["encrypted_for"]) == ({"local": "good"}, [])
    shown = say("backup", "show", str(kept.id)).out
    assert "orders" in shown and "In the store local\nNot encrypted\n" in shown


def test_the_name_of_a_database_stands_for_its_latest_good_backup(say: Say, kept: Backup) -> None:
    assert say("backup", "show", "shop", "--json").json["id"] == kept.id


@pytest.mark.parametrize("given", ["99", "9" * 30])
def test_an_unknown_backup_is_refused_with_the_list_of_what_there_is(say: Say, kept: Backup, given: str) -> None:
    said = say("backup", "show", given, "--json")
    assert (said.code, said.json["refused"]) == (2, "unknown_backup")
    assert f"{kept.id} (shop)" in said.json["next"]


def test_what_one_may_not_see_is_unknown(say: Say, kept: Backup, cast: Cast) -> None:
    assert say("backup", "show", str(kept.id), "--json", account=cast.mallory).json["refused"] == "unknown_backup"


def test_a_download_asks_for_the_password_and_is_recorded(say: Say, kept: Backup, cast: Cast, tmp_path: Path) -> None:
    said = _download(say, cast.ada, kept, "--output", "copy.tar", stdin=PASSWORD + "\n")
    assert said.code == 0
    path = tmp_path / "copy.tar"
    data = path.read_bytes()
    assert (said.json["bytes"], said.json["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as tar:
        assert any(name.endswith("manifest.json") for name in tar.getnames())
    assert AuditEvent.objects.get(type="backup.downloaded").actor == f"person:{cast.ada.person_id}"


def test_a_wrong_password_downloads_nothing(say: Say, kept: Backup, cast: Cast, tmp_path: Path) -> None:
    said = _download(say, cast.ada, kept, stdin="wrong\n")
    assert (said.code, said.json["refused"]) == (4, "password_wrong")
    assert list(tmp_path.glob("*.tar")) == []


def test_a_download_needs_a_token(say: Say, kept: Backup) -> None:
    assert say("backup", "download", str(kept.id), "--json").json["refused"] == "token_needed"


def test_an_auditor_may_not_download(say: Say, kept: Backup, cast: Cast) -> None:
    said = _download(say, cast.audrey, kept, stdin=PASSWORD + "\n")
    assert (said.code, said.json["refused"]) == (4, "not_allowed")


def test_a_file_that_is_there_is_not_overwritten(say: Say, kept: Backup, cast: Cast, tmp_path: Path) -> None:
    (tmp_path / "copy.tar").write_text("precious")
    said = _download(say, cast.ada, kept, "--output", "copy.tar", stdin=PASSWORD + "\n")
    assert (said.code, said.json["refused"]) == (4, "file_exists")
    assert (tmp_path / "copy.tar").read_text() == "precious"


def test_a_protected_one_waits_for_another_person_and_then_comes_once(
    say: Say, guarded: Backup, cast: Cast, tmp_path: Path
) -> None:
    close_bootstrap()
    asked = _download(say, cast.ada, guarded, "--reason", "a drill elsewhere")
    assert (asked.code, asked.json["state"]) == (3, "pending_approval")
    assert list(tmp_path.glob("*.tar")) == []
    operation = Operation.objects.get(pk=asked.json["id"])
    operations.approve(operation, account=cast.grace, digest=operation.digest, auth_at=now())
    first = _download(say, cast.ada, guarded)
    assert (first.code, Path(first.json["file"]).parent) == (0, tmp_path)
    assert _download(say, cast.ada, guarded, "--output", "again.tar", "--reason", "once more").code == 3


def test_setting_the_console_up_frees_nobody_from_asking(say: Say, guarded: Backup, cast: Cast) -> None:
    assert _download(say, cast.ada, guarded, "--reason", "a drill").code == 3


def test_a_damaged_backup_leaves_no_file(say: Say, console: Console, kept: Backup, cast: Cast, tmp_path: Path) -> None:
    folder = console.home / "store" / kept.key
    (stored,) = [path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"]
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)
    said = _download(say, cast.ada, kept, stdin=PASSWORD + "\n")
    assert (said.code, said.json["refused"]) == (1, "backup_damaged")
    assert [path.name for path in tmp_path.iterdir() if "tar" in path.name] == []


def _download(say: Say, account: Any, backup: Backup, *words: str, stdin: str = "") -> Any:
    return say("backup", "download", str(backup.id), "--password-stdin", "--json", *words, account=account, stdin=stdin)


def _backed_up(console: Console, cast: Cast, name: str, environment: str) -> Backup:
    url = f"sqlite:///{make_shop(console.files / f'{name}.sqlite3')}"
    database = register(name, url, environment=environment)
    operation = operations.request("backup", database, {}, account=cast.ada)
    wait_until(lambda: work(console, operation).state == State.SUCCEEDED, what="the backup")
    return Backup.objects.get(operation=operation)
