"""The numbers by which people, links and commands name rows."""

from __future__ import annotations

DIGITS = 18  # of what any database keeps; of thousands, Python itself refuses to make a number


def row_number(text: str) -> int:
    """The number of a row that a text tells; 0, which no row has, for any other text."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= DIGITS else 0
