"""Checkpoints as text: a signed note that anybody can read and check with the public key alone.

opsconsole/INSTANCE
SEQ
BASE64 OF THE CHAIN'S HASH AT SEQ
TIME (UTC)
FINGERPRINT OF THE DATABASE GUARDS

— KEY_ID BASE64 OF THE ED25519 SIGNATURE over the five lines above, line ends included
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from opsconsole.keys import PublicKey, SigningKey

LINES = 7  # of one note; in a file an empty line follows each


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a note states: at `at`, the chain's link `seq` had this `hash` (32 bytes)."""

    origin: str
    seq: int
    hash: bytes
    at: str
    guards: str
    key_id: str = ""
    signature: bytes = b""

    @property
    def signed_part(self) -> bytes:
        told = (self.origin, str(self.seq), base64.b64encode(self.hash).decode(), self.at, self.guards)
        return ("\n".join(told) + "\n").encode()

    def signed(self, key: SigningKey) -> str:
        """The whole note."""
        signature = base64.b64encode(key.sign(self.signed_part)).decode()
        return f"{self.signed_part.decode()}\n— {key.key_id} {signature}\n"

    def is_signed_by(self, keys: Mapping[str, PublicKey]) -> bool:
        """Whether the signature is right. Raises KeyError when the key is not among `keys`."""
        return keys[self.key_id].verify(self.signed_part, self.signature)


def parse(note: str) -> Checkpoint:
    """Inverse of `Checkpoint.signed`. Raises ValueError for what is no note."""
    lines = note.rstrip("\n").split("\n")
    mark, key_id, signature = [*lines[-1].split(" "), "", ""][:3]
    if len(lines) != LINES or lines[5] or mark != "—":
        raise ValueError("this is no signed note of seven lines")
    try:
        found = Checkpoint(
            origin=lines[0], seq=int(lines[1]), hash=base64.b64decode(lines[2], validate=True), at=lines[3],
            guards=lines[4], key_id=key_id, signature=base64.b64decode(signature, validate=True),
        )  # fmt: skip
    except binascii.Error as error:
        raise ValueError("the note holds something that is no base64") from error
    if len(found.hash) != 32 or found.seq < 1:
        raise ValueError("the note names no link of a chain")
    return found


def split(lines: Iterable[str]) -> Iterator[str]:
    """The notes of a file, one at a time; an unfinished one at the end comes out as it is."""
    gathered: list[str] = []
    for line in lines:
        if gathered or line.strip():
            gathered.append(line)
        if line.startswith("— ") and line.endswith("\n"):
            yield "".join(gathered)
            gathered = []
    if gathered:
        yield "".join(gathered)
