"""Texts for files that people open in a spreadsheet, which takes some texts for formulas and runs them."""

from __future__ import annotations

import re

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def defused(text: str) -> str:
    """With a leading apostrophe, which keeps a spreadsheet from taking it for a formula, where that is needed."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def printable(text: str) -> str:
    """Without control characters, which a workbook cannot hold; they are written out (`\\x00`)."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
