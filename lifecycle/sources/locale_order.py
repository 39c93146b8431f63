"""Names in the order of JavaScript's localeCompare, by which Drizzle 1.x and Prisma sort the folders of migrations.

It is the root order of ICU, which Node carries: letters first without their marks and sizes, then by marks, then small
before capital. Seen on Node 20 for every printable ASCII character; other scripts come behind, by code point.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_FIRST = {sign: place for place, sign in enumerate(" _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789")}
_LETTERS_FROM = 1000
Key = tuple[list[int], list[str], list[bool]]


def in_locale_order(names: Iterable[str]) -> list[str]:
    """Sorted as `localeCompare` sorts them; names that it takes for equal keep an order of their own bytes."""
    return sorted(sorted(names), key=_key)


def _key(name: str) -> Key:
    parts = unicodedata.normalize("NFD", name)
    letters = [sign for sign in parts if not unicodedata.combining(sign)]
    marks = [sign for sign in parts if unicodedata.combining(sign)]
    bare = "".join(letters).casefold()
    return [_FIRST.get(sign, _LETTERS_FROM + ord(sign)) for sign in bare], marks, [sign.isupper() for sign in letters]
