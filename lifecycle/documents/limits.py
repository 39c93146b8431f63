"""How much a file that somebody gave may cost before its reading is ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Sizes are bytes. What goes beyond one of these is refused with its name, while it streams."""

    files: int = 500  # given, or in a tar
    unpacked: int = 64 << 30  # of all files together, once unwrapped
    ratio: int = 200  # unpacked to packed of one wrapping, beyond `ratio_from`; gzip itself cannot go over 1032
    ratio_from: int = 32 << 20
    tables: int = 5_000
    columns: int = 2_000  # of one table
    rows: int = 1_000_000_000
    row: int = 64 << 20  # the longest row, as JSON
    seconds: int = 3600  # of the clock, and of the processor
    memory: int = 1 << 30  # address space of the child
