"""Secrets at rest: keys kept in the console's home folder, and the encryption of fields (MultiFernet).

`HOME/keys/NAME` holds one key a line: the first one is used, the others are older ones that are still accepted while
they are rotated out.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from opsconsole import private_files
from opsconsole.exceptions import OpsError


def home_secrets(home: Path, name: str, *, fernet: bool = False) -> list[str]:
    """The secrets kept in `HOME/keys/NAME` (0600), newest first; one is made on first use.

    Two processes at once agree on one.
    """
    path = home / "keys" / name
    if not path.exists():
        private_files.create(path, new_secret(fernet=fernet).encode())
    return path.read_text().split()


def home_secret(home: Path, name: str) -> str:
    """The newest of them."""
    return home_secrets(home, name)[0]


def keep_secrets(home: Path, name: str, values: Sequence[str]) -> None:
    """Put these in the place of what `HOME/keys/NAME` holds, at once and durably."""
    private_files.replace(home / "keys" / name, "".join(f"{value}\n" for value in values).encode())


def new_secret(*, fernet: bool = False) -> str:
    """256 random bits or more, as text."""
    return Fernet.generate_key().decode() if fernet else secrets.token_urlsafe(48)


def name_of(secret: str) -> str:
    """Eight hexadecimal digits by which a key can be told from others, and which say nothing of it."""
    return hashlib.sha256(b"opsconsole key\x00" + secret.encode()).hexdigest()[:8]


class FieldCipher:
    """Encrypts short texts with the first key and reads with any of them, so that keys can be rotated."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._newest = Fernet(keys[0])
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises OpsError when none of the keys fits."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise _no_key() from None

    def is_current(self, sealed: str) -> bool:
        """Whether the first key reads it."""
        try:
            self._newest.decrypt(sealed.encode())
        except InvalidToken:
            return False
        return True

    def renew(self, sealed: str) -> str:
        """The same text under the first key. Raises OpsError when none of the keys fits."""
        try:
            return self._fernet.rotate(sealed.encode()).decode()
        except InvalidToken:
            raise _no_key() from None


def _no_key() -> OpsError:
    return OpsError(
        "field_key_missing",
        "A stored secret cannot be decrypted with any of the configured field keys.",
        "Put the key that encrypted it back into FIELD_KEYS (or into the keys folder), then try again.",
    )
