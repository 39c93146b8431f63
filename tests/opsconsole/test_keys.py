"""Signing keys: made once, kept private, read by key id."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opsconsole.exceptions import OpsError
from opsconsole.keys import SigningKey, public_keys


def test_a_key_is_made_once_and_found_again(tmp_path: Path) -> None:
    first = SigningKey.load(tmp_path, "audit")
    assert SigningKey.load(tmp_path, "audit").key_id == first.key_id
    assert first.key_id == hashlib.sha256(first.public.raw).hexdigest()[:16]


def test_the_two_keys_of_a_console_differ(tmp_path: Path) -> None:
    assert SigningKey.load(tmp_path, "audit").key_id != SigningKey.load(tmp_path, "manifest").key_id


def test_only_its_owner_can_read_a_key(tmp_path: Path) -> None:
    SigningKey.load(tmp_path, "audit")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keys" / "audit.ed25519").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["audit.ed25519", "audit.pub"]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    SigningKey.load(tmp_path, "audit")
    (tmp_path / "keys" / "audit.ed25519").chmod(0o644)
    with pytest.raises(OpsError) as refused:
        SigningKey.load(tmp_path, "audit")
    assert refused.value.code == "key_exposed"


def test_many_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: SigningKey.load(tmp_path, "audit").key_id, range(16)))
    assert len(set(keys)) == 1
    assert list(public_keys(tmp_path, "audit")) == keys[:1]


def test_a_signature_fits_its_bytes_and_its_key_only(tmp_path: Path) -> None:
    key, other = SigningKey.load(tmp_path, "audit"), SigningKey.load(tmp_path, "manifest")
    signature = key.sign(b"hello")
    public = public_keys(tmp_path, "audit")[key.key_id]
    assert public.verify(b"hello", signature)
    assert not public.verify(b"hellp", signature)
    assert not public.verify(b"hello", signature[:-1])
    assert not other.public.verify(b"hello", signature)


def test_a_retired_key_stays_readable(tmp_path: Path) -> None:
    old, new = SigningKey.load(tmp_path / "old", "audit"), SigningKey.load(tmp_path, "audit")
    with (tmp_path / "keys" / "audit.pub").open("a") as file:
        file.write(old.public.line() + "\n")
    assert set(public_keys(tmp_path, "audit")) == {old.key_id, new.key_id}


@pytest.mark.parametrize("line", ["ed25519 0123", "ed25519 0123456789abcdef aGVsbG8=", "rsa x y", "ed25519 x !!!"])
def test_a_line_that_is_no_key_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "audit.pub").write_text(line + "\n")
    with pytest.raises(OpsError) as refused:
        public_keys(tmp_path, "audit")
    assert refused.value.code == "key_damaged"


def test_a_private_key_is_never_shown(tmp_path: Path) -> None:
    assert "PRIVATE" not in repr(SigningKey.load(tmp_path, "audit"))
