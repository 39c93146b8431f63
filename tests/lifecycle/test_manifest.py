"""Manifests: what was signed is what is read, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from lifecycle.backups import manifest as manifests
from lifecycle.backups.manifest import Manifest
from lifecycle.formats.base import Contents, StoredObject, TableContent
from opsconsole.exceptions import OperationFailed
from opsconsole.keys import SigningKey, public_keys
from opsconsole.plans import canonical_json

CONTENTS = Contents(
    format="native",
    format_version=1,
    objects=(
        StoredObject(
            key="data.zst",
            size=10,
            sha256="sha256:aa",
            plain_size=30,
            plain_sha256="sha256:bb",
            compression="zstd",
            chunks=("sha256:cc",),
        ),
    ),
    tables=(TableContent(name="users", rows=3, digest="sha256:dd", objects=("data.zst",), columns=("id", "name")),),
    schema_fingerprint="sha256:ee",
    sequences={"users": "3,true"},
    source={"engine": "sqlite", "page_size": 4096},
)


def a_manifest(**changes: object) -> Manifest:
    values = {
        "backup": "backups/savings/7",
        "operation_id": 7,
        "fence": 2,
        "console": "c1",
        "database": "savings",
        "environment": "production",
        "target_identity": "sqlite:1:2:/x",
        "target_incarnation": "sqlite:1:2:/x",
        "engine": "sqlite",
        "server_version": "3.40.1",
        "version_number": 3040001,
        "started_at": "2026-11-20T10:00:00.000000Z",
        "finished_at": "2026-11-20T10:00:01.000000Z",
        "contents": CONTENTS,
    }
    return Manifest(**(values | changes))  # type: ignore[arg-type]


def failure(data: bytes, home: Path) -> str:
    with pytest.raises(OperationFailed) as failed:
        manifests.read(data, public_keys(home, "manifest"))
    return failed.value.code


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.load(tmp_path, "manifest")


def test_what_was_signed_is_what_is_read(tmp_path: Path, key: SigningKey) -> None:
    data = manifests.sign(a_manifest(), key)
    assert manifests.read(data, public_keys(tmp_path, "manifest")) == a_manifest()


def test_the_signature_is_over_the_canonical_bytes_of_the_inner_object(key: SigningKey) -> None:
    outer = json.loads(manifests.sign(a_manifest(), key))
    assert canonical_json(outer["manifest"]) == a_manifest().to_bytes()
    assert outer["signature"]["key_id"] == key.key_id


def test_totals_are_added_up() -> None:
    manifest = a_manifest()
    assert (manifest.stored_bytes, manifest.plain_bytes, manifest.rows) == (10, 30, 3)


def test_any_changed_member_breaks_the_signature(tmp_path: Path, key: SigningKey) -> None:
    outer = json.loads(manifests.sign(a_manifest(), key))
    for name in outer["manifest"]:
        changed = {**outer, "manifest": {**outer["manifest"], name: "other"}}
        assert failure(canonical_json(changed), tmp_path) == "manifest_signature", name


def test_every_flipped_byte_is_noticed(tmp_path: Path, key: SigningKey) -> None:
    data = manifests.sign(a_manifest(), key)
    for place in range(0, len(data), 7):
        damaged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert failure(damaged, tmp_path) in {"manifest_damaged", "manifest_signature"}


def test_a_manifest_of_an_unknown_key_is_refused(tmp_path: Path, key: SigningKey) -> None:
    stranger = SigningKey.load(tmp_path / "elsewhere", "manifest")
    assert failure(manifests.sign(a_manifest(), stranger), tmp_path) == "manifest_signature"


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", b'{"manifest":1,"signature":2}', b"[" * 100_000])
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, key: SigningKey, data: bytes) -> None:
    assert failure(data, tmp_path) == "manifest_damaged"


def test_the_same_text_spaced_otherwise_is_refused(tmp_path: Path, key: SigningKey) -> None:
    spaced = json.dumps(json.loads(manifests.sign(a_manifest(), key)), indent=1).encode()
    assert failure(spaced, tmp_path) == "manifest_damaged"


def test_a_newer_format_is_refused_with_the_reason(tmp_path: Path, key: SigningKey) -> None:
    assert failure(manifests.sign(replace(a_manifest(), format=3), key), tmp_path) == "manifest_version"


def test_times_are_written_in_utc() -> None:
    moment = datetime(2026, 11, 20, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    assert manifests.rfc3339(moment) == "2026-11-20T10:00:00.000000Z"
    assert manifests.rfc3339(moment.astimezone(UTC)) == manifests.rfc3339(moment)
    with pytest.raises(ValueError):
        manifests.rfc3339(datetime(2026, 11, 20))
