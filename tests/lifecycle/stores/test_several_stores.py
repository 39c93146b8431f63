"""Backups in more than one store: where they go, what is done when one is gone or damaged, and who may change that."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from lifecycle import posture
from lifecycle.models import Backup, BackupCopy
from lifecycle.stores import copies
from opsconsole import operations, stores
from opsconsole.clock import now
from opsconsole.exceptions import OperationFailed, Refused
from opsconsole.models import AuditEvent, Operation, Store
from opsconsole.states import State
from opsconsole.storage.s3 import S3Store
from tests.lifecycle.stores.conftest import AddS3
from tests.support.backups import list_backup
from tests.support.cases import work
from tests.support.commands import Say
from tests.support.people import close_bootstrap


def do(console: Any, kind: str, row: Any, account: Any, **given: str) -> Operation:
    confirm = {"confirm": row.name} if kind == "restore" else {}
    return work(console, operations.request(kind, row, given, account=account, **confirm))


def states(backup: Backup) -> dict[str, str]:
    return {copy.store: copy.state for copy in backup.copies.all()}


def copied(console: Any, backup: Backup) -> Operation:
    """Run what the tick asks for."""
    assert copies.ask_for_missing() == 1
    assert copies.ask_for_missing() == 0  # it is asked for already
    return work(console, Operation.objects.filter(kind="copy").latest("id"))


def test_a_backup_goes_into_the_first_store_and_a_copy_into_the_others(
    console: Any, cast: Any, postgres_shop: Any, cloud: Any, tmp_path: Path
) -> None:
    shop, row = postgres_shop
    taken = do(console, "backup", row, cast.ada)
    assert taken.state == State.SUCCEEDED, taken.failure_why
    backup = Backup.objects.get()
    assert states(backup) == {"cloud": "good", "attic": "missing"}
    assert not list((console.home / "store").glob("backups/*/*"))
    assert "a copy" in taken.plan.evidence["store"]
    assert [line.topic for line in posture.read_copies([row])[row.pk]] == ["copies"]

    assert copied(console, backup).state == State.SUCCEEDED
    assert states(backup) == {"cloud": "good", "attic": "good"}
    assert posture.read_copies([row]) == {}
    assert AuditEvent.objects.filter(type="backup.copied").count() == 1

    bucket = S3Store(cloud)
    for key in bucket.keys("backups"):  # somebody empties the bucket
        bucket.delete(key)
    shop.lose(3)
    restored = do(console, "restore", row, cast.ada)
    assert restored.state == State.SUCCEEDED, restored.failure_why
    assert shop.orders() == 200
    assert "it is gone from the store cloud" in "\n".join(line.text for line in restored.lines.all())

    assert states(Backup.objects.get(purpose="safety")) == {"cloud": "good"}  # wanted nowhere else
    copies.remove(backup, "attic")
    copies.remove(backup, "attic")  # as after a kill
    assert states(backup) == {"cloud": "good"}
    assert [path.name for path in (tmp_path / "attic").rglob("*") if path.is_file()] == [".console"]


@pytest.mark.nightly
def test_a_damaged_copy_is_none_of_the_others_and_is_made_anew(
    console: Any, cast: Any, sqlite_shop: Any, cloud: Any, tmp_path: Path
) -> None:
    _, row = sqlite_shop
    do(console, "backup", row, cast.ada)
    backup = Backup.objects.get()
    copied(console, backup)
    path = next((tmp_path / "attic").rglob("*.zst"))
    path.write_bytes(path.read_bytes()[:-1] + b"!")

    checked = do(console, "verify", row, cast.ada, level="V0", store="attic")
    assert (checked.state, checked.failure_code) == (State.FAILED, "backup_damaged")
    assert "the good copy in cloud" in checked.failure_next
    backup.refresh_from_db()
    assert (backup.state, states(backup)) == ("good", {"cloud": "good", "attic": "bad"})
    assert [line.topic for line in posture.read_copies([row])[row.pk]] == ["copies"]

    again = do(console, "copy", row, cast.ada, store="attic")
    assert again.state == State.SUCCEEDED, again.failure_why
    assert states(backup) == {"cloud": "good", "attic": "good"}
    assert (tmp_path / "attic" / path.relative_to(tmp_path / "attic")).read_bytes()[-1:] != b"!"


@pytest.mark.nightly
def test_a_copy_that_was_killed_is_listed_only_once_it_is_whole(
    console: Any, cast: Any, sqlite_shop: Any, cloud: Any, tmp_path: Path
) -> None:
    _, row = sqlite_shop
    do(console, "backup", row, cast.ada, store="local")
    backup = Backup.objects.get()
    asked = operations.request("copy", row, {"store": "cloud"}, account=cast.ada)
    work(console, asked, OPSCONSOLE_FAILPOINT="copy.object_published:kill9")
    assert states(backup)["cloud"] == "missing"
    assert asked.state == State.QUEUED  # it may be repeated
    Operation.objects.filter(pk=asked.pk).update(run_after=None)
    work(console, asked)
    assert (asked.state, states(backup)["cloud"]) == (State.SUCCEEDED, "good")


def test_an_unmounted_store_says_nothing_against_its_copies(
    console: Any, cast: Any, sqlite_shop: Any, cloud: Any, tmp_path: Path
) -> None:
    backup = list_backup(sqlite_shop[1], cast.ada)
    stores.writing("attic")  # which marks it
    BackupCopy.objects.create(backup=backup, store="attic", state="good")
    shutil.move(tmp_path / "attic", tmp_path / "elsewhere")
    (tmp_path / "attic").mkdir()
    error = OperationFailed("backup_missing", "The store has no manifest for it.")
    with pytest.raises(OperationFailed) as failure:
        copies.found_damaged(backup, "attic", error, backup.operation_id)
    assert failure.value.code == "store_missing"
    assert states(backup) == {"local": "good", "attic": "good"}


def test_another_consoles_store_is_not_written(
    console: Any, cast: Any, sqlite_shop: Any, cloud: Any, add_s3: AddS3
) -> None:
    bucket = S3Store(cloud)
    bucket.delete(".console")
    with bucket.create(".console", part="1.1") as writer:
        writer.write(b"another console\n")
        writer.publish()
    with pytest.raises(Refused) as refusal:
        operations.request("backup", sqlite_shop[1], {}, account=cast.ada)
    assert refusal.value.code == "foreign_store"


def test_a_store_is_a_matter_of_two_people_and_its_keys_are_nowhere_to_be_read(
    console: Any, cast: Any, add_s3: AddS3, say: Say, s3_server: Any
) -> None:
    close_bootstrap()
    place = s3_server.place()
    words = ["store", "add", "cloud", "--kind", "s3", "--endpoint", place.endpoint, "--bucket", place.bucket]
    words += ["--credentials-stdin", "--reason", "copies elsewhere"]
    asked = say(*words, "--json", account=cast.admin, stdin="AKIATELLTALE\nhush hush hush\n")
    assert asked.json["state"] == "pending_approval"
    assert not Store.objects.exists()
    operation = Operation.objects.get(pk=asked.json["id"])
    approved = operations.approve(operation, account=cast.grace, digest=operation.digest, auth_at=now())
    assert approved.state == "succeeded"
    assert Store.objects.get().name == "cloud"
    assert say("store", "check", "cloud", account=cast.admin).code == 0
    told = "".join(bytes(event.payload).decode() for event in AuditEvent.objects.all())
    for text in (operation.plan_text, str(operation.result), told, asked.out + asked.err):
        assert "AKIATELLTALE" not in text and "hush" not in text
    assert b"hush hush" not in (console.home / "console.sqlite3").read_bytes()
    with pytest.raises(Exception, match="guarded"):
        Store.objects.update(endpoint="https://elsewhere.example")


def test_checking_says_the_class_of_what_is_wrong(
    console: Any, cast: Any, add_s3: AddS3, say: Say, settings: Any
) -> None:
    add_s3("cloud", account=cast.admin)
    good = say("store", "check", "cloud", "--json", account=cast.admin)
    assert (good.code, good.json["class"], good.json["refuses_doubles"]) == (0, "ok", True)
    settings.STORE_PRIVATE_NETWORKS = ()
    wrong = say("store", "check", "cloud", "--json", account=cast.admin)
    assert (wrong.code != 0, wrong.json["class"]) == (True, "store_address")
    assert "STORE_PRIVATE_NETWORKS" in wrong.json["next"]
    assert say("store", "check", "cloud", account=cast.ada).code == 4
    listed = {each["name"]: each for each in say("store", "list", "--json", account=cast.ada).json["stores"]}
    assert (listed["cloud"]["state"], listed["local"]["state"]) == ("store_address", "ok")


def test_a_store_that_environments_use_is_not_retired(console: Any, cast: Any, cloud: Any, say: Say) -> None:
    refused = say("store", "retire", "cloud", account=cast.admin)
    assert refused.code == 4
    assert "Development" in refused.err + refused.out
