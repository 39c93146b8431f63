"""Ed25519 keys of this console: one signs manifests ("manifest"), one signs audit checkpoints ("audit").

`HOME/keys/NAME.ed25519` is the private key (PKCS#8 PEM, 0600). `HOME/keys/NAME.pub` lists the public keys that
signatures may carry, one line each: `ed25519 KEY_ID BASE64`; the line of a retired key stays, so that what it signed
can still be read. A key id is the first 16 hexadecimal digits of sha256 over the raw public key.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from opsconsole.exceptions import OpsError
from opsconsole.verify_audit import PublicKey, parse_key

PublicKeys = Mapping[str, PublicKey]


@dataclass(frozen=True)
class SigningKey:
    """A private key of this console. It never leaves this object except into its own file."""

    public: PublicKey
    _private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def load(cls, home: Path, name: str) -> SigningKey:
        """The key kept in `HOME/keys/NAME.ed25519`, made on first use. Two processes at once agree on one."""
        folder = home / "keys"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{name}.ed25519"
        if not path.exists():
            _create(path, _pem(Ed25519PrivateKey.generate()))
        key = cls._read(path)
        listed = path.with_suffix(".pub")
        if not listed.exists():
            _create(listed, (key.public.line() + "\n").encode())
        return key

    @classmethod
    def _read(cls, path: Path) -> SigningKey:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise OpsError("key_exposed", f"Others may read the signing key {path}.", f"Run: chmod 600 {path}")
        try:
            private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except ValueError:
            private = None
        if not isinstance(private, Ed25519PrivateKey):
            raise OpsError("key_damaged", f"{path} holds no Ed25519 private key.", "Put the key back from its copy.")
        return cls(PublicKey(private.public_key().public_bytes_raw()), private)

    @property
    def key_id(self) -> str:
        return self.public.key_id

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes of the signature over `data`."""
        return self._private.sign(data)


def public_keys(home: Path, name: str) -> dict[str, PublicKey]:
    """The keys of `HOME/keys/NAME.pub` by key id, retired ones included; empty when there is no such file.

    Raises OpsError("key_damaged") for a line that is no key.
    """
    path = home / "keys" / f"{name}.pub"
    lines = path.read_text().splitlines() if path.exists() else []
    keys = [_parse(line, path) for line in lines if line.strip()]
    return {key.key_id: key for key in keys}


def _parse(line: str, path: Path) -> PublicKey:
    try:
        return parse_key(line)
    except ValueError:
        raise OpsError(
            "key_damaged", f"{path} holds a line that is no public key.", "Put the file back from its copy."
        ) from None


def _pem(private: Ed25519PrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _create(path: Path, data: bytes) -> None:
    """Make a complete, durable file appear under `path`, unless another process was first."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass  # another process was first: its key counts
    finally:
        fresh.unlink()
