"""Secrets at rest: keys kept in the console's home folder, and the encryption of fields (MultiFernet)."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from opsconsole.exceptions import OpsError


def home_secret(home: Path, name: str, *, fernet: bool = False) -> str:
    """The secret kept in `HOME/keys/NAME` (0600), made on first use. Two processes at once agree on one."""
    folder = home / "keys"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        value = Fernet.generate_key().decode() if fernet else secrets.token_urlsafe(48)
        fresh = folder / f".{name}.{secrets.token_hex(8)}"  # two threads of one process may meet here
        fresh.touch(mode=0o600)
        fresh.write_text(value)
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass  # another process was first: its value counts
        finally:
            fresh.unlink()
    return path.read_text().strip()


class FieldCipher:
    """Encrypts short texts with the first key and reads with any of them, so that keys can be rotated."""

    def __init__(self, keys: list[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises OpsError when none of the keys fits."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise OpsError(
                "field_key_missing",
                "A stored secret cannot be decrypted with any of the configured field keys.",
                "Put the key that encrypted it back into FIELD_KEYS (or into the keys folder), then try again.",
            ) from None
