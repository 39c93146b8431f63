from __future__ import annotations

import pytest

from opsconsole import audit
from opsconsole.audit import catalogue
from opsconsole.audit.redaction import LONGEST_TEXT, clean
from opsconsole.models import AuditEvent
from opsconsole.people import one_time_password
from opsconsole.tokens import mint
from tests.support.console import Console
from tests.support.people import Cast

CANARY = "hunter2-canary"
SECRETS = [
    f"postgresql://ops:{CANARY}@db.example.test:5432/savings",
    f"could not connect to postgresql://ops:p@ss{CANARY}@db/savings?sslmode=require",
    f"connection failed: password={CANARY} host=db",
    f"PGPASSWORD={CANARY} pg_dump",
    f'{{"password": "{CANARY} with spaces"}}',
    f"api_key: {CANARY}",
    f"Authorization: Bearer {CANARY}0123456789",
    f"argon2$argon2id$v=19$m=102400,t=2,p=8${CANARY}$x",
    f"$2b$12${CANARY}abcdefghijklmnopqrstuv",
    f"-----BEGIN PRIVATE KEY-----\nMC4CAQ{CANARY}\n-----END PRIVATE KEY-----",
    f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIi{CANARY}.sig",
    f"ops_0a1b2c3d_{CANARY}Zx",
    f"gAAAAAB{CANARY}ZmVybmV0LXRva2VuLWhlcmU0Mg==",
]
PLAIN = [
    "postgresql://ops@db.example.test:5432/savings",
    "sha256:" + "0f" * 32,
    "01a1f8bd-9d06-7a3d-b110-0c1e12caeb10",
    "backup:12",
    "savings-20261120T104501Z-backup-12.tar",
    "The plan no longer fits: schema of savings was sha256:" + "ab" * 32 + " when planned.",
    "sqlite:64769:131:/srv/ops console/files/ignition.sqlite3",
    "Grace approved the restore of savings (production).",
]


@pytest.mark.parametrize("text", SECRETS)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    assert CANARY not in clean(text)


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_stays(text: str) -> None:
    assert clean(text) == text


def test_our_own_passwords_and_tokens_are_hidden(cast: Cast) -> None:
    _, secret = mint(cast.ada, "ci")
    for text in (one_time_password(), secret):
        assert text not in clean(f"it is {text}, they said")


@pytest.mark.parametrize("text", SECRETS)
def test_no_secret_gets_into_an_event_by_any_door(console: Console, text: str) -> None:
    actor = audit.Actor(kind="human", name=text, host=text, request_id=text)
    with audit.acting_as(actor):
        audit.record(
            "op.failed", outcome="failed", subject=text, reason=text, before=text, after=text,
            data={"why": text, "code": [text, {text: text}], "summary": {"deep": (text,)}, text: text, "else": text},
        )  # fmt: skip
    for event in AuditEvent.objects.all():
        assert CANARY.encode() not in bytes(event.payload)
        assert CANARY not in f"{event.actor} {event.actor_name}"


def test_fields_that_nobody_listed_are_named_and_left_out(console: Console) -> None:
    event = audit.record("auth.login_failed", data={"attempts": 2, "typed": "secret thing"})
    assert b'"data":{"attempts":2,"left_out":["typed"]}' in bytes(event.payload)


def test_a_type_that_nobody_listed_keeps_no_data(console: Console) -> None:
    event = audit.record("weather.changed", data={"sky": "blue"})
    assert b'"data":{"left_out":["sky"]}' in bytes(event.payload)


def test_no_type_allows_a_field_for_secrets() -> None:
    words = ("password", "secret", "url_sealed", "sha256", "cookie", "credential", "hash")
    named = {f"{entry.name} {field}" for entry in catalogue.every() for field in entry.fields}
    assert [name for name in named if any(word in name.partition(" ")[2] for word in words)] == []


def test_long_texts_keep_their_beginning_and_their_digest(console: Console) -> None:
    text = clean("row " * 5000)
    assert text.startswith("row row")
    assert "(20000 characters, sha256:" in text
    assert len(text) < LONGEST_TEXT + 150


def test_texts_that_a_database_cannot_hold_are_mended(console: Console) -> None:
    event = audit.record("auth.login_failed", subject="a\x00b\ud800c", data={"attempts": 2**60})
    event.refresh_from_db()
    assert b'"object":"ab?c"' in bytes(event.payload)
    assert b'"attempts":"1152921504606846976"' in bytes(event.payload)
