"""Ed25519 keys of this console: one signs manifests ("manifest"), one signs audit checkpoints ("audit").

`HOME/keys/NAME.ed25519` is the private key (PKCS#8 PEM, 0600). `HOME/keys/NAME.pub` lists the public keys that
signatures may carry, one line each: `ed25519 KEY_ID BASE64 [until=SEQ]`; the line of a retired key stays, so that what
it signed can still be read, up to the link SEQ of the history. A key id is the first 16 hexadecimal digits of sha256
over the raw public key.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from opsconsole import failpoints, private_files
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
        key = cls._kept(_private(home, name))
        listed = _listed(home, name)
        if not listed.exists():
            private_files.create(listed, (key.public.line() + "\n").encode())
        return key

    @classmethod
    def prepare(cls, home: Path, name: str) -> SigningKey:
        """The key that is to follow, kept in `HOME/keys/NAME.ed25519.next`; made unless it is there already."""
        return cls._kept(_next(home, name))

    @classmethod
    def prepared(cls, home: Path, name: str) -> SigningKey | None:
        """The key that is to follow, while a rotation is under way."""
        path = _next(home, name)
        try:
            return cls._read(path) if path.exists() else None
        except FileNotFoundError:
            return None  # it has come into use this moment

    @classmethod
    def promote(cls, home: Path, name: str, *, last_of_old: int | None = None) -> None:
        """Let the prepared key follow the one in use, which is gone then; its public line stays, so that what it signed
        can still be read. `last_of_old` is the last link that the old key may have signed alone or with the new one.

        Both lines are listed before the private key is replaced, so this may be killed and called again.
        """
        old, new = cls.load(home, name), cls.prepare(home, name)
        kept = dict(public_keys(home, name))
        kept[old.key_id] = PublicKey(old.public.raw, until=last_of_old)
        kept[new.key_id] = new.public
        private_files.replace(_listed(home, name), "".join(f"{key.line()}\n" for key in kept.values()).encode())
        failpoints.hit("keys.listed")
        private_files.promote(_next(home, name), _private(home, name))

    @classmethod
    def _kept(cls, path: Path) -> SigningKey:
        if not path.exists():
            private_files.create(path, _pem(Ed25519PrivateKey.generate()))
        return cls._read(path)

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
    path = _listed(home, name)
    lines = path.read_text().splitlines() if path.exists() else []
    keys = [_parse(line, path) for line in lines if line.strip()]
    return {key.key_id: key for key in keys}


def _private(home: Path, name: str) -> Path:
    return home / "keys" / f"{name}.ed25519"


def _next(home: Path, name: str) -> Path:
    return home / "keys" / f"{name}.ed25519.next"


def _listed(home: Path, name: str) -> Path:
    return home / "keys" / f"{name}.pub"


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
