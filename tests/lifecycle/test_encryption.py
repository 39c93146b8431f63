"""Encrypted backups: for whom, how they come back, and what happens when nobody here holds a key."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, transaction
from django.test import Client
from pyrage import x25519

from lifecycle import posture
from lifecycle.encryption import kit, recipients
from lifecycle.models import Backup, Recipient
from lifecycle.proving.shields import shields_of
from opsconsole import age_keys, operations
from opsconsole.ciphers import field_cipher
from opsconsole.exceptions import OperationFailed, Refused, Usage
from opsconsole.models import AuditEvent, Operation, OperationLine, OperationSecret
from opsconsole.states import State
from tests.opsconsole.approvals.scenes import approve
from tests.support.cases import make_shop, work
from tests.support.commands import speaker
from tests.support.people import PASSWORD, close_bootstrap
from tests.support.registering import register

OPS, ESCROW = x25519.Identity.generate(), x25519.Identity.generate()


def public(key: x25519.Identity) -> str:
    return str(key.to_public())


def asked(cast: Any, row: Any, key: x25519.Identity, role: str = "ops", label: str = "") -> Operation:
    given = {"environment": row.environment.name, "label": label or role, "public_key": public(key), "role": role}
    return operations.request_change(recipients.ADD, given, account=cast.admin, reason="Backups leave the house.")


def encrypted_for(cast: Any, row: Any, *keys: x25519.Identity) -> None:
    for key, role in zip(keys, ("ops", "escrow"), strict=False):
        done = asked(cast, row, key, role)
        assert done.state == State.SUCCEEDED, done.failure_why


def ask(console: Any, cast: Any, kind: str, row: Any, **given: Any) -> Operation:
    secrets = {"identity": given.pop("identity")} if "identity" in given else {}
    confirm = row.name if kind in ("restore", "undo", "reapply") else ""
    return work(
        console, operations.request(kind, row, given, account=cast.ada, confirm=confirm, secrets=secrets)
    )  # fmt: skip


def backed_up(console: Any, cast: Any, row: Any) -> Backup:
    done = ask(console, cast, "backup", row)
    assert done.state == State.SUCCEEDED, done.failure_why
    return Backup.objects.get(pk=done.result["backup"])


def stored(console: Any, backup: Backup) -> list[Path]:
    return [path for path in (console.home / "store" / backup.key).rglob("*") if path.suffix in (".zst", ".dump")]


def asked_in_the_form(cast: Any, key: str) -> Operation:
    """Ada asks for a restore of the shop in her browser, and hands the key over there."""
    browser, page = Client(), "/databases/shop/request/restore/"
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    shown = browser.get(f"{page}?identity={key}").content.decode()
    assert re.search(r'<input type="password" name="identity"[^>]*>', shown)
    assert (key in shown, 'hx-post="/databases/shop/request/restore/plan/"' in shown) == (False, True)
    assert "this console keeps no key" in browser.get(f"{page}plan/?backup=latest&identity={key}").content.decode()
    planned = browser.post(f"{page}plan/", {"backup": "latest", "identity": key}).content.decode()
    assert ("handed over for it" in planned, key in planned) == (True, False)
    answer = browser.post(page, {"backup": "latest", "identity": key, "confirm": "shop", "reason": "Orders are lost"})
    assert answer.status_code == 302, answer.content.decode()
    return Operation.objects.filter(kind="restore").latest("id")


def test_with_a_key_on_the_console_everything_works_as_before(console, cast, postgres_shop):
    shop, row = postgres_shop
    encrypted_for(cast, row, OPS, ESCROW)
    age_keys.keep(settings.OPSCONSOLE_HOME, "ops", str(OPS))
    backup = backed_up(console, cast, row)
    assert all(path.read_bytes().startswith(b"age-encryption.org/v1\n") for path in stored(console, backup))
    assert backup.recipients == f"{public(OPS)} {public(ESCROW)}"
    assert backup.checks[0]["detail"].endswith("decrypted with the key ops of this console")
    assert "decrypts" in [shield.word for shield in shields_of(backup)]
    assert "for ops, escrow: only the private key of one of them" in backup.operation.plan.evidence["encryption"]
    drilled = ask(console, cast, "verify", row, level="V2")
    assert "decrypted with the key ops of this console" in drilled.result["summary"], drilled.failure_why
    shop.lose(30)
    done = ask(console, cast, "restore", row, backup=str(backup.pk))
    assert done.state == State.SUCCEEDED, done.failure_why
    assert shop.orders() == 200
    assert Backup.objects.get(purpose="safety").recipients == backup.recipients
    undone = ask(console, cast, "undo", row)
    assert undone.state == State.SUCCEEDED, undone.failure_why
    assert shop.orders() == 30


@pytest.mark.nightly
def test_a_patch_is_encrypted_and_comes_back(console, cast, sqlite_shop):
    shop, row = sqlite_shop
    encrypted_for(cast, row, OPS, ESCROW)
    age_keys.keep(settings.OPSCONSOLE_HOME, "ops", str(OPS))
    shop.lose(30)
    backed_up(console, cast, row)
    with sqlite3.connect(shop.path) as live:
        live.executemany("INSERT INTO orders (id, customer_id) VALUES (?, 1)", [(1001,), (1002,), (1003,)])
    done = ask(console, cast, "restore", row, patch="yes")
    assert (shop.orders(), done.patch.rows) == (30, 3)
    (item,) = (console.home / "store" / done.patch.key / "data").iterdir()
    assert item.read_bytes().startswith(b"age-encryption.org/v1\n")
    again = ask(console, cast, "reapply", row)
    assert (again.state, shop.orders()) == (State.SUCCEEDED, 33), again.failure_why


def test_without_one_it_is_handed_over_for_one_operation_and_leaves_no_trace(console, cast, sqlite_shop):
    shop, row = sqlite_shop
    encrypted_for(cast, row, OPS, ESCROW)
    backup = backed_up(console, cast, row)
    assert "with a key of that run alone, which is gone" in backup.checks[0]["detail"]
    assert "locked" in [shield.word for shield in shields_of(backup)]
    shop.lose(30)
    for kind in ("restore", "verify"):
        with pytest.raises(Refused) as refused:
            ask(console, cast, kind, row)
        assert (refused.value.code, public(ESCROW) in refused.value.why) == ("key_missing", True)
    stranger = x25519.Identity.generate()
    with pytest.raises(Refused, match=f"handed over is the private key of {public(stranger)}, which is none of them"):
        ask(console, cast, "restore", row, identity=str(stranger))
    with pytest.raises(Usage, match="others could see it"):
        operations.request("restore", row, {"identity": str(ESCROW)}, account=cast.ada, confirm="shop")
    key = str(ESCROW)
    waiting = asked_in_the_form(cast, key)
    (sealed,) = OperationSecret.objects.filter(operation=waiting)
    assert (key in sealed.value_sealed, field_cipher().open(sealed.value_sealed)) == (False, key)
    done = work(console, waiting)
    assert (done.state, shop.orders()) == (State.SUCCEEDED, 200), done.failure_why
    assert not OperationSecret.objects.exists()
    told = [done.plan_text, str(done.result), *(line.text for line in OperationLine.objects.all())]
    told += [bytes(event.payload).decode() for event in AuditEvent.objects.all()]
    assert not [text for text in told if key in text]
    assert f"it opens with the private key of {public(ESCROW)}, handed over for it" in done.plan_text


def test_a_secret_goes_with_an_operation_that_never_runs(console, cast, sqlite_shop):
    _, row = sqlite_shop
    encrypted_for(cast, row, OPS)
    backed_up(console, cast, row)
    waiting = operations.request("verify", row, {}, account=cast.ada, secrets={"identity": str(OPS)})
    operations.cancel(waiting, account=cast.ada)
    assert not OperationSecret.objects.exists()


def test_a_damaged_byte_is_found_before_the_target_is_touched(console, cast, sqlite_shop):
    shop, row = sqlite_shop
    encrypted_for(cast, row, OPS)
    age_keys.keep(settings.OPSCONSOLE_HOME, "ops", str(OPS))
    backup = backed_up(console, cast, row)
    shop.lose(30)
    (path,) = stored(console, backup)
    data = bytearray(path.read_bytes())
    data[60] ^= 1  # in the stanza of the recipient: to age it looks like another key
    path.write_bytes(data)
    done = ask(console, cast, "restore", row)
    assert (done.state, done.failure_code, shop.orders()) == (State.FAILED, "backup_damaged", 30)


def test_recipients_are_confirmed_by_another_person_and_stay_what_was_confirmed(cast, sqlite_shop):
    _, row = sqlite_shop
    close_bootstrap()
    waiting = asked(cast, row, OPS)
    assert (waiting.state, recipients.in_force(row.environment)) == (State.PENDING_APPROVAL, [])
    approve(cast.grace, waiting)
    (added,) = recipients.in_force(row.environment)
    assert recipients.warnings(row.environment, [added])[0].startswith("None of its recipients is escrow")
    with pytest.raises(Refused):
        asked(cast, row, OPS, label="again")
    with pytest.raises(Usage, match="no public key"):
        given = {"environment": "development", "label": "x", "public_key": str(OPS), "role": "ops"}
        operations.request_change(recipients.ADD, given, account=cast.admin, reason="it is wanted")
    for by_hand in (
        lambda: Recipient.objects.filter(pk=added.pk).update(public_key=public(ESCROW)),
        lambda: Recipient.objects.filter(pk=added.pk).update(retired_by=added.operation),
        lambda: Recipient.objects.filter(pk=added.pk).delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            by_hand()
    added.public_key = public(ESCROW)  # as if somebody had switched the guards off
    with pytest.raises(OperationFailed, match="not the one that was confirmed"):
        recipients.require_confirmed(added)


def test_the_strictest_environment_of_a_target_decides(console, cast, sqlite_shop):
    """A database that is registered in production as well is encrypted for production, whatever name is backed up."""
    shop, row = sqlite_shop
    strict = register("shop-live", shop.url, environment="production")
    encrypted_for(cast, strict, OPS, ESCROW)
    assert [found.public_key for found in recipients.of_database(row)] == [public(OPS), public(ESCROW)]


def test_posture_warns_where_a_protected_environment_could_be_locked_out_or_read(cast, sqlite_shop, console):
    _, row = sqlite_shop
    live = register("live", f"sqlite:///{make_shop(console.files / 'live.sqlite')}", environment="production")

    def told() -> list[str]:
        found = posture.read_encryption([row, live])
        assert row.pk not in found
        return [line.sentence for line in found.get(live.pk, [])]

    assert [sentence.split(",")[0] for sentence in told()] == ["Its backups are not encrypted"]
    encrypted_for(cast, live, OPS)
    assert [sentence.split(":")[0] for sentence in told()] == ["None of its recipients is escrow"]
    asked(cast, live, ESCROW, "escrow")
    assert told() == []


def test_a_key_that_is_still_needed_is_not_removed_unawares(console, cast, sqlite_shop):
    _, row = sqlite_shop
    encrypted_for(cast, row, OPS)
    key = age_keys.keep(settings.OPSCONSOLE_HOME, "ops", str(OPS))
    backed_up(console, cast, row)
    with pytest.raises(Refused, match="1 listed backup"):
        age_keys.forget(settings.OPSCONSOLE_HOME, key)
    age_keys.forget(settings.OPSCONSOLE_HOME, key, although_needed=True)
    assert age_keys.kept(settings.OPSCONSOLE_HOME) == []


def test_the_recovery_kit_says_all_but_secrets(console, cast, sqlite_shop):
    _, row = sqlite_shop
    encrypted_for(cast, row, OPS, ESCROW)
    age_keys.keep(settings.OPSCONSOLE_HOME, "ops", str(OPS))
    backup = backed_up(console, cast, row)
    made = kit.of_database(row)
    data = b"".join(made.stream())
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = {name.partition("/")[2]: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    facts = json.loads(files["facts.json"])
    (listed,) = facts["backups"]
    assert (listed["folder"], listed["stores"]) == (backup.key, ["local"])
    assert facts["stores"] == [{"name": "local", "kind": "folder", "where": str(console.home / "store")}]
    assert b"PRAGMA integrity_check" in files[listed["manifest"].replace("manifests", "restore")[:-5] + ".sh"]
    assert [each["public_key"] for each in facts["recipients"]] == [public(OPS), public(ESCROW)]
    assert files[listed["manifest"]] == (console.home / "store" / backup.key / "manifest.json").read_bytes()
    (line,) = files["SHA256SUMS"].decode().splitlines()
    assert line.endswith(f"  {backup.key}/database.sqlite.zst")
    assert files["manifest.pub"].startswith(b"ed25519 ")
    recipe = (settings.BASE_DIR / "templates/lifecycle/recipes/sqlite.txt").read_bytes()
    assert recipe in files["README.md"]
    assert b"AGE-SECRET-KEY" not in data
    assert AuditEvent.objects.filter(type="recovery_kit.made").count() == 1


@pytest.mark.nightly
def test_twins_are_encrypted_and_prove_each_other_with_a_key_that_was_handed_over(console, cast, postgres_shop):
    shop, row = postgres_shop
    encrypted_for(cast, row, OPS, ESCROW)
    first = Backup.objects.get(pk=ask(console, cast, "backup", row, twin="yes").result["backup"])
    assert first.twin is not None
    paths = [*stored(console, first), *stored(console, first.twin)]
    assert all(path.read_bytes().startswith(b"age-encryption.org/v1\n") for path in paths)
    drilled = ask(console, cast, "verify", row, backup=str(first.pk), identity=str(ESCROW))
    assert f"those of its twin, backup {first.twin.pk}" in drilled.result["summary"], drilled.failure_why
    shop.lose(30)
    given = {"backup": str(first.twin.pk), "mode": "replace", "identity": str(OPS)}
    done = ask(console, cast, "restore", row, **given)
    assert (done.state, shop.orders()) == (State.SUCCEEDED, 200), done.failure_why


def test_on_the_command_line(console, cast, sqlite_shop, monkeypatch, tmp_path):
    _, row = sqlite_shop
    say = speaker(monkeypatch)
    made = say("keys", "age", "generate", "ops", "--json").json
    assert say("keys", "age", "list", "--json").json == {"keys": [made]}
    assert (console.home / "keys" / "age" / "ops.txt").stat().st_mode & 0o777 == 0o600
    given = {"environment": "development", "label": "ops", "public_key": made["public_key"], "role": "ops"}
    operations.request_change(recipients.ADD, given, account=cast.admin, reason="it is wanted")
    key = (console.home / "keys" / "age" / "ops.txt").read_text()
    backed_up(console, cast, row)
    assert say("keys", "age", "remove", "ops", "--json").json["refused"] == "still_needed"
    assert say("keys", "age", "remove", "ops", "--although-needed").code == 0
    words = ("operate", "verify", "shop", "--set", "level=V1", "--json")
    assert say(*words, account=cast.ada).json["refused"] == "key_missing"
    asked = say(*words, "--identity-stdin", account=cast.ada, stdin=key)
    done = work(console, Operation.objects.get(pk=asked.json["id"]))
    assert f"the private key of {made['public_key']}, handed over for it" in done.result["summary"]
    assert say("keys", "age", "add", "again", stdin=key).code == 0
    assert say("backup", "kit", "shop", "--output", str(tmp_path / "kit.tar"), "--json").code == 0
    assert tarfile.is_tarfile(tmp_path / "kit.tar")
