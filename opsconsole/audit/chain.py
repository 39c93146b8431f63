"""The arithmetic of the chain: pure functions over bytes, the same for sealing, verifying and a reader elsewhere."""

from __future__ import annotations

import hashlib

START = bytes(32)  # what the first link follows


def leaf_of(payload: bytes) -> bytes:
    """SHA256(0x00 || payload): 32 bytes that stand for one event."""
    return hashlib.sha256(b"\x00" + payload).digest()


def link(previous: bytes, seq: int, leaf: bytes) -> bytes:
    """SHA256(0x01 || previous link || seq as 8 bytes, big end first || leaf): the next link of the chain."""
    return hashlib.sha256(b"\x01" + previous + seq.to_bytes(8, "big") + leaf).digest()
