"""A new console, pointed at a store, lists what is there and restores it; what it should not believe it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lifecycle.backups import choices
from lifecycle.models import Backup, RetentionPass
from lifecycle.retention import facts
from lifecycle.retention.rule import Rule
from opsconsole import operations
from opsconsole.clock import now
from opsconsole.models import AuditEvent, Operation
from opsconsole.posture import Level, posture_of
from opsconsole.states import State
from opsconsole.storage.s3 import S3Store
from tests.lifecycle.stores.conftest import KEYS, LOOPBACK
from tests.opsconsole.triggers.test_append_only import refused
from tests.support.backups import list_backup
from tests.support.cases import work
from tests.support.commands import Say
from tests.support.registering import register
from tests.support.servers import S3Server
from tests.support.shops import SqliteShop
from tests.support.two_consoles import Pair, two_consoles


@pytest.fixture
def pair(console_templates: Any, tmp_path: Path, settings: Any, django_db_blocker: Any) -> Iterator[Pair]:
    with (
        django_db_blocker.unblock(),
        two_consoles(console_templates("sqlite"), tmp_path / "homes", settings, [tmp_path / "files"]) as both,
    ):
        settings.STORE_PRIVATE_NETWORKS = (LOOPBACK,)
        for console in (both.first, both.second):
            console.env["STORE_PRIVATE_NETWORKS"] = LOOPBACK
        yield both


def add_store(say: Say, place: Any, account: Any, *more: str) -> None:
    said = say(
        "store", "add", "cloud", "--kind", "s3", "--endpoint", place.endpoint, "--bucket", place.bucket,
        "--credentials-stdin", *more, account=account, stdin=KEYS,
    )  # fmt: skip
    assert said.code == 0, said.out + said.err


def put(bucket: S3Store, key: str, data: bytes) -> None:
    with bucket.create(key, part="1.1") as writer:
        writer.write(data)
        writer.publish()


def read(bucket: S3Store, key: str) -> bytes:
    with bucket.open(key) as stream:
        return stream.read()


def taken_by_the_first(pair: Pair, say: Say, place: Any, url: str) -> str:
    """A backup in the bucket; gives its folder."""
    with pair.at(pair.first) as cast:
        row = register("shop", url, environment="development")
        add_store(say, place, cast.admin)
        done = work(pair.first, operations.request("backup", row, {"store": "cloud"}, account=cast.ada))
        assert done.state == State.SUCCEEDED, done.failure_why
        return Backup.objects.get().key


def test_a_second_console_restores_what_the_first_one_stored(
    pair: Pair, say: Say, s3_server: S3Server, tmp_path: Path
) -> None:
    place, shop = s3_server.place(), SqliteShop.make(tmp_path / "files")
    folder = taken_by_the_first(pair, say, place, shop.url)
    bucket = S3Store(place)
    put(bucket, "backups/shop/99-1/data/half.zst", b"never finished")
    put(bucket, "backups/shop/98-1/manifest.json", read(bucket, f"{folder}/manifest.json"))  # put at another place
    shop.lose(3)
    with pair.at(pair.second) as cast:
        row = register("store_front", shop.url, environment="development")
        add_store(say, place, cast.admin, "--read-only")
        look = ("store", "rebuild", "cloud", "--dry-run", "--json", "--as", "shop=store_front")

        before = say(*look, account=cast.admin).json["entries"]
        assert {entry["state"] for entry in before} == {"refused"}
        assert "does not know" in before[0]["reason"] or "does not know" in before[-1]["reason"]
        assert say("store", "rebuild", "cloud", account=cast.admin).code == 4

        key = pair.first.home / "keys" / "manifest.pub"
        assert say("keys", "trust", str(key), "--label", "the first one", account=cast.admin).code == 0
        found = {entry["folder"]: entry for entry in say(*look, account=cast.admin).json["entries"]}
        assert found[folder]["state"] == "new"
        assert "no manifest" in found["backups/shop/99-1"]["reason"]
        assert "put here by somebody" in found["backups/shop/98-1"]["reason"]
        unnamed = say("store", "rebuild", "cloud", "--dry-run", "--json", account=cast.admin).json["entries"]
        assert any("--as shop=NAME" in entry["next_step"] for entry in unnamed)

        asked = say("store", "rebuild", "cloud", "--as", "shop=store_front", "--json", account=cast.admin)
        assert asked.code == 0, asked.out + asked.err
        backup = Backup.objects.get()
        assert (backup.key, backup.console != "", backup.database_id) == (folder, True, row.pk)
        assert AuditEvent.objects.filter(type="backup.adopted").count() == 1
        assert bucket.keys("backups/shop/99-1")  # what is refused stays as it is

        given = {"overwrite": "yes"}
        done = work(pair.second, operations.request("restore", row, given, account=cast.ada, confirm="store_front"))
        assert done.state == State.SUCCEEDED, done.failure_why
        assert shop.orders() == 200
        assert Operation.objects.get(pk=asked.json["id"]).state == State.SUCCEEDED
        assert say("audit", "verify", "--json").json["verdict"] in ("sound", "unproven")


def test_a_manifest_that_was_changed_is_refused_though_its_key_is_trusted(pair: Pair, say: Say, tmp_path: Path) -> None:
    """The folder of the first console's store is one that the second may read."""
    shop = SqliteShop.make(tmp_path / "files")
    with pair.at(pair.first) as cast:
        backup = list_backup(register("shop", shop.url, environment="development"), cast.ada)
    path = pair.first.home / "store" / backup.key / "manifest.json"
    with pair.at(pair.second) as cast:
        register("shop", shop.url, environment="development")
        words = ("store", "add", "old", "--kind", "folder", "--path", str(pair.first.home / "store"), "--read-only")
        assert say(*words, account=cast.admin).code == 0
        say("keys", "trust", str(pair.first.home / "keys" / "manifest.pub"), "--label", "x", account=cast.admin)
        (entry,) = say("store", "rebuild", "old", "--dry-run", "--json", account=cast.admin).json["entries"]
        assert entry["state"] == "new"
        path.write_bytes(path.read_bytes().replace(b'"database":"shop"', b'"database":"shap"'))
        (entry,) = say("store", "rebuild", "old", "--dry-run", "--json", account=cast.admin).json["entries"]
        assert (entry["state"], "changed after it was signed" in entry["reason"]) == ("refused", True)


def test_a_manifest_from_the_future_passes_neither_for_fresh_nor_for_the_last_good_one(
    pair: Pair, say: Say, tmp_path: Path
) -> None:
    shop, ahead = SqliteShop.make(tmp_path / "files"), timedelta(days=-400)
    with pair.at(pair.first) as cast:
        list_backup(register("shop", shop.url, environment="development"), cast.ada, age=ahead)
    with pair.at(pair.second) as cast:
        row = register("shop", shop.url, environment="development")
        own = list_backup(row, cast.ada, age=timedelta(days=9))
        words = ("store", "add", "old", "--kind", "folder", "--path", str(pair.first.home / "store"), "--read-only")
        assert say(*words, account=cast.admin).code == 0
        say("keys", "trust", str(pair.first.home / "keys" / "manifest.pub"), "--label", "x", account=cast.admin)
        said = say("store", "rebuild", "old", account=cast.admin)
        assert said.code == 0, said.err
        adopted = Backup.objects.exclude(pk=own.pk).get()
        assert (adopted.is_dated, adopted.started_at < own.started_at) == (False, True)
        assert "nobody knows when it was taken" in Operation.objects.latest("id").plan.risk_reasons[0]
        line = posture_of([row])[row.pk].line("backup")
        assert line is not None and (line.at, line.level) == (own.started_at, Level.WATCH)
        outlook = facts.outlook(row, rule=Rule(last=1))
        assert outlook.of(own.pk).codes >= {"last_good", "last"}
        assert (outlook.of(adopted.pk).fate, outlook.of(adopted.pk).codes) == ("kept", {"undated"})
        with refused("last_good"):
            Backup.objects.filter(pk=own.pk).update(trashed_at=now(), trash_until=now())
        assert choices.choose(row, "latest") == own


@pytest.mark.nightly
def test_a_console_that_lost_its_database_finds_its_own_backups(
    pair: Pair, say: Say, s3_server: S3Server, tmp_path: Path, settings: Any
) -> None:
    """The second console has the keys of the first one, and none of its rows."""
    place, shop = s3_server.place(), SqliteShop.make(tmp_path / "files")
    folder = taken_by_the_first(pair, say, place, shop.url)
    with pair.at(pair.second) as cast:
        for path in (pair.first.home / "keys").iterdir():
            (pair.second.home / "keys").mkdir(exist_ok=True)
            (pair.second.home / "keys" / path.name).write_bytes(path.read_bytes())
            (pair.second.home / "keys" / path.name).chmod(0o600)
        register("shop", shop.url, environment="development")
        add_store(say, place, cast.admin)
        assert say("store", "rebuild", "cloud", account=cast.admin).code == 0
        backup = Backup.objects.get()
        assert (backup.key, backup.console) == (folder, "")
        assert "look at what would go" in RetentionPass.objects.get().paused_why  # no rule of ours deletes it unseen
