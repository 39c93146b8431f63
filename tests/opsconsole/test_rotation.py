"""Keys are replaced step by step; a kill -9 at any of them loses nothing, and the same command goes on."""

from __future__ import annotations

import json
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.contrib.sessions.backends.db import SessionStore
from django.core import signing
from django.test import Client

from opsconsole import audit, ciphers, operations, rotation
from opsconsole.audit import checkpoints
from opsconsole.clock import now
from opsconsole.databases.addresses import url_of
from opsconsole.exceptions import Refused
from opsconsole.keys import SigningKey, public_keys
from opsconsole.models import AuditCheckpoint, AuditEvent, AuditSeal, Database
from opsconsole.secrets import FieldCipher, home_secrets
from opsconsole.verify_audit import Checkpoint, parse, split
from tests.opsconsole.approvals.scenes import approve
from tests.opsconsole.audit.test_verification import codes
from tests.support.cases import make_shop
from tests.support.console import Console
from tests.support.people import PASSWORD, Cast, assemble, close_bootstrap
from tests.support.registering import register
from tests.support.tampering import guards_off

IN_FILES = {"SECRET_KEY": "", "FIELD_KEYS": ""}


def keys(console: Console, *words: str, code: int = 0, **env: str) -> dict[str, Any]:
    """Run `manage.py keys WORDS --json` with all keys in files; gives back what it said."""
    done = console.run("keys", *words, "--json", env={**IN_FILES, **env})
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout else {}


def killed_at(console: Console, failpoint: str, *words: str) -> None:
    keys(console, *words, code=-signal.SIGKILL, OPSCONSOLE_FAILPOINT=f"{failpoint}:kill9")


def told(type: str) -> list[dict[str, Any]]:
    rows = AuditEvent.objects.filter(type=type).order_by("id").values_list("payload", flat=True)
    return [json.loads(bytes(payload))["data"] for payload in rows]


def private_files_of(console: Console) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in (console.home / "keys").iterdir()}


# -- the key that signs checkpoints -----------------------------------------------------------------------------------


@pytest.fixture
def history(console: Console) -> None:
    for number in range(5):
        audit.record("auth.login", subject=f"login {number}")
    audit.checkpoint(force=True)


def test_the_audit_key_is_replaced_through_a_kill_at_each_step(history: None, console: Console) -> None:
    old = SigningKey.load(console.home, "audit")
    for failpoint in ("keys.prepared", "keys.told", "keys.signed", "keys.listed"):
        killed_at(console, failpoint, "rotate", "audit")
        audit.record("auth.login", subject=f"after {failpoint}")
        audit.checkpoint(force=True)
        assert audit.verify().exit_code == 0, (failpoint, audit.verify())
    assert "rotate audit again" in keys(console, "status")["keys"][0]["open"]
    new = keys(console, "rotate", "audit")["current"]
    assert SigningKey.load(console.home, "audit").key_id == new != old.key_id
    audit.record("auth.login", subject="after all")
    audit.checkpoint(force=True)
    assert audit.verify().exit_code == 0
    signers = [[key_id for key_id, _ in parse(note).signatures] for note in in_table()]
    assert [signers[0], signers[-1]] == [[old.key_id], [new]]
    assert [old.key_id, new] in signers
    assert (len(told("audit.key_rotated")), len(told("keys.rotated"))) == (1, 1)
    assert set(private_files_of(console).values()) == {0o600}
    assert not any(name.startswith(".") or name.endswith(".next") for name in private_files_of(console))


def in_table() -> list[str]:
    return list(AuditCheckpoint.objects.order_by("seq").values_list("note", flat=True))


def rotated(console: Console) -> SigningKey:
    """Replace the audit key; gives back the old one, as a thief would have it."""
    stolen = SigningKey.load(console.home, "audit")
    rotation.rotate_audit()
    audit.record("auth.login", subject="after the rotation")
    audit.checkpoint(force=True)
    return stolen


def test_the_old_public_key_alone_leads_to_the_new_one(history: None, console: Console) -> None:
    pinned = (console.home / "keys" / "audit.pub").read_text()
    rotated(console)
    (console.home / "keys" / "audit.pub").write_text(pinned)
    assert audit.verify().exit_code == 0


def test_a_new_key_that_nobody_introduced_is_not_trusted(history: None, console: Console) -> None:
    pinned = (console.home / "keys" / "audit.pub").read_text()
    rotated(console)
    (console.home / "keys" / "audit.pub").write_text(pinned)
    with guards_off():
        dual = next(note for note in in_table() if len(parse(note).signatures) == 2)
        AuditCheckpoint.objects.filter(note=dual)._raw_delete("default")
    path = checkpoints.anchors_path()
    path.write_text("\n".join(note for note in split(path.open()) if note.strip() != dual.strip()))
    report = audit.verify()
    assert (report.exit_code, report.findings) == (2, [])
    assert "is missing from the public keys" in report.unproven[0]


def signed_by(key: SigningKey, seq: int) -> Checkpoint:
    real = parse(in_table()[-1])
    link = bytes(AuditSeal.objects.get(seq=seq).hash)
    bare = Checkpoint(origin=real.origin, seq=seq, hash=link, at=real.at, guards=real.guards)
    return parse(bare.signed(key))


@pytest.mark.parametrize("key_list", ["the list of the console", "only the old key"])
def test_a_stolen_old_key_signs_nothing_new_unnoticed(history: None, console: Console, key_list: str) -> None:
    pinned = (console.home / "keys" / "audit.pub").read_text()
    stolen = rotated(console)
    audit.record("auth.login", subject="forged")
    audit.seal_all()
    head = AuditSeal.objects.latest("seq").seq
    with checkpoints.anchors_path().open("a") as file:
        file.write("\n" + signed_by(stolen, head).signed(stolen))
    if key_list == "only the old key":
        (console.home / "keys" / "audit.pub").write_text(pinned)
    report = audit.verify()
    assert codes(report) == {"forged"}
    assert "was retired at link" in report.findings[0].why


def test_a_stolen_old_key_introduces_no_other_successor(history: None, console: Console, tmp_path: Path) -> None:
    """Its thief owns the database too, and rotates to a key of their own in a history of their own."""
    stolen, thiefs = rotated(console), SigningKey.load(tmp_path / "thief", "audit")
    before = public_keys(console.home, "audit")[stolen.key_id].until
    with guards_off():
        note = signed_by(stolen, 3).signed(stolen, thiefs)
        AuditCheckpoint.objects.create(seq=3, note=note, key_id=thiefs.key_id, at=now())
    assert before is not None
    assert audit.verify().exit_code == 1


def test_keys_can_be_replaced_again_and_again(history: None, console: Console) -> None:
    for _ in range(3):
        rotated(console)
    report = audit.verify()
    assert (report.exit_code, len(public_keys(console.home, "audit"))) == (0, 4)


def test_the_standing_says_which_key_is_in_use(console: Console) -> None:
    first = SigningKey.load(console.home, "manifest").key_id
    second = rotation.rotate_manifest()
    standing = {each.which: each for each in rotation.status()}["manifest"]
    assert (standing.current, standing.older, standing.open) == (second, (first,), "")


# -- the key that signs backups ---------------------------------------------------------------------------------------


def test_the_manifest_key_is_replaced_through_a_kill_at_each_step(console: Console) -> None:
    old = SigningKey.load(console.home, "manifest")
    signature = old.sign(b"a backup of then")
    for failpoint in ("keys.prepared", "keys.listed"):
        killed_at(console, failpoint, "rotate", "manifest")
        current = SigningKey.load(console.home, "manifest")
        assert public_keys(console.home, "manifest")[current.key_id].verify(b"x", current.sign(b"x"))
    new = keys(console, "rotate", "manifest")["current"]
    known = public_keys(console.home, "manifest")
    assert known[old.key_id].verify(b"a backup of then", signature)
    assert SigningKey.load(console.home, "manifest").key_id == new in known
    assert told("keys.rotated") == [{"which": "manifest", "old": old.key_id, "new": new}]


# -- SECRET_KEY -------------------------------------------------------------------------------------------------------


def test_the_secret_key_is_replaced_and_sessions_go_on(console: Console, settings: Any) -> None:
    assemble()
    old = home_secrets(console.home, "secret-key")[0]
    settings.SECRET_KEY, settings.SECRET_KEY_IN_FILE = old, True
    client, idle = Client(), Client()
    for each in (client, idle):
        each.post("/login/", {"username": "ada", "password": PASSWORD})
        assert each.get("/operations/").status_code == 200
    killed_at(console, "keys.written", "rotate", "secret")
    keys(console, "rotate", "secret")
    new, *older = home_secrets(console.home, "secret-key")
    assert (older, len(told("keys.rotated"))) == ([old], 1)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = new, older  # as after a restart
    assert client.get("/operations/").status_code == 200  # which signs this session anew
    assert keys(console, "rotate", "secret", "--finish", code=4)["why"].startswith("1 sessions were signed")
    killed_at(console, "keys.retiring", "rotate", "secret", "--finish", "--end-sessions")
    assert keys(console, "rotate", "secret", "--finish", "--end-sessions")["gone"] == [rotation.name_of(old)]
    settings.SECRET_KEY_FALLBACKS = []
    assert home_secrets(console.home, "secret-key") == [new]
    assert [each.get("/operations/").status_code for each in (client, idle)] == [200, 302]


def test_a_session_of_the_new_key_holds_nothing_up(console: Console, settings: Any) -> None:
    old = home_secrets(console.home, "secret-key")[0]
    settings.SECRET_KEY, settings.SECRET_KEY_IN_FILE = old, True
    rotation.rotate_secret()
    settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS = home_secrets(console.home, "secret-key")
    SessionStore().save()
    assert rotation.finish_secret() == [rotation.name_of(old)]
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(signing.BadSignature):
        signing.loads(signing.dumps("x", key=old))


# -- keys of stored fields --------------------------------------------------------------------------------------------


@pytest.fixture
def savings(console: Console, settings: Any) -> Cast:
    """A console whose field key is in its file, with a database whose URL is under it; the setting up is over."""
    settings.FIELD_KEYS_IN_FILE = True
    cast = assemble()
    register("savings", f"sqlite:///{make_shop(console.files / 'savings.sqlite3', rows=1)}", environment="production")
    close_bootstrap()
    return cast


def test_the_field_key_is_replaced_and_a_second_person_confirms(savings: Cast, console: Console) -> None:
    old = ciphers.field_keys()[0]
    url = url_of(Database.objects.get())
    killed_at(console, "keys.written", "rotate", "fields")
    assert [url_of(Database.objects.get()), len(ciphers.field_keys())] == [url, 2]  # without a restart
    asked = keys(console, "rotate", "fields", code=3)
    assert keys(console, "rotate", "fields", code=3)["id"] == asked["id"]
    assert "still needed" in keys(console, "rotate", "fields", "--finish", code=4)["why"]
    assert "1 secrets are under an older one" in keys(console, "status")["keys"][3]["open"]
    request = operations.requesting.Operation.objects.get(pk=asked["id"])
    approve(savings.grace, request)
    assert approve(savings.linus, request).state == "succeeded"  # asked for on a shell: two people agree
    assert keys(console, "rotate", "fields")["current"] == rotation.name_of(ciphers.field_keys()[0])
    killed_at(console, "keys.retiring", "rotate", "fields", "--finish")
    assert keys(console, "rotate", "fields", "--finish")["gone"] == [rotation.name_of(old)]
    assert (len(ciphers.field_keys()), url_of(Database.objects.get())) == (1, url)
    database = Database.objects.get()
    told_of = {"key": rotation.name_of(ciphers.field_keys()[0]), "count": 1}
    assert told("keys.reencrypted") == [told_of | {"addresses": {str(database.pk): database.address}}]
    assert set(private_files_of(console).values()) == {0o600}


def test_a_request_that_is_killed_half_way_has_changed_nothing(savings: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = Database.objects.get().url_sealed
    asked = rotation.rotate_fields(savings.admin)
    assert asked is not None
    with monkeypatch.context() as patch:
        patch.setenv("OPSCONSOLE_ALLOW_FAILPOINTS", "1")
        patch.setenv("OPSCONSOLE_FAILPOINT", "keys.batch:raise")
        assert approve(savings.grace, asked).state == "failed"
    assert Database.objects.get().url_sealed == sealed
    again = rotation.rotate_fields(savings.admin)
    assert again is not None
    assert approve(savings.grace, again).state == "succeeded"
    assert Database.objects.get().url_sealed != sealed
    assert rotation.rotate_fields(savings.admin) is None


def test_a_request_of_a_login_keeps_the_old_key_as_long_as_it_is_open(savings: Cast) -> None:
    wanted = {"login": "ada", "password": "another password for tests"}
    reset = operations.request_change("account.reset_password", wanted, account=savings.admin, reason="it is wanted")
    renewed = rotation.rotate_fields(savings.admin)
    assert renewed is not None
    assert approve(savings.grace, renewed).state == "succeeded"
    with pytest.raises(Refused, match=f"the plan of operation {reset.pk}, which is open"):
        rotation.finish_fields()
    assert approve(savings.grace, reset).state == "succeeded"
    rotation.finish_fields()


def test_keys_from_the_environment_are_replaced_by_hand(console: Console, settings: Any) -> None:
    settings.SECRET_KEY_IN_FILE = settings.FIELD_KEYS_IN_FILE = False
    for call in (rotation.rotate_secret, rotation.finish_secret, rotation.finish_fields):
        with pytest.raises(Refused) as refused:
            call()
        assert refused.value.code == "key_in_environment"
    with pytest.raises(Refused):
        rotation.rotate_fields(None)


def test_every_encrypted_column_is_listed() -> None:
    listed = {(each.model.lower(), each.column) for each in ciphers.columns()}
    there = {
        (model._meta.label_lower, field.name)
        for model in apps.get_models()
        for field in model._meta.fields
        if field.name.endswith("_sealed")
    }
    assert there == listed


def test_a_cipher_tells_which_key_a_text_is_under() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    sealed = FieldCipher([old]).seal("x")
    both = FieldCipher([new, old])
    assert (both.is_current(sealed), both.is_current(both.renew(sealed)), both.open(both.renew(sealed))) == (
        False, True, "x",
    )  # fmt: skip


def test_no_key_is_told_by_any_event(savings: Cast, console: Console) -> None:
    rotation.rotate_audit()
    rotation.rotate_fields(savings.admin)
    told = b"".join(bytes(payload) for payload in AuditEvent.objects.values_list("payload", flat=True))
    assert [key for key in ciphers.field_keys() if key.encode() in told] == []
    assert now() - timedelta(minutes=5) < AuditEvent.objects.latest("id").at
