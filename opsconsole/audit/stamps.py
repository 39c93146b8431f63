"""Times and numbers of events, in the form in which they are stored."""

from __future__ import annotations

import os
from datetime import UTC, datetime


def moment(at: datetime) -> str:
    """UTC with microseconds, always 27 characters: 2026-11-20T11:05:00.123456Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def uuid7(at: datetime) -> str:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, the rest random."""
    number = int(at.timestamp() * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 7 << 76
    number = number & ~(0b11 << 62) | 0b10 << 62
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
