"""What people write for others to read: a reason where one is needed, and no sign that reorders the text around it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from opsconsole.exceptions import Usage

REORDERING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # signs; pages and terminals write them out
_REORDERING = re.compile(f"[{REORDERING}]")


def reason(text: str, of: str, *, least: int = 1) -> str:
    """The reason without blanks around it. Raises Usage when it is shorter than `least`; `of` begins that sentence."""
    said = text.strip()
    if len(said) < least:
        length = f" of {least} letters or more" if least > 1 else ""
        raise Usage(
            "missing_reason", f"{of} needs a reason{length}.",
            "Say why (on the command line: --reason TEXT); whoever decides on it or looks it up next year reads that.",
        )  # fmt: skip
    refuse_reordering(said, "The reason")
    return said


def refuse_reordering(value: Any, name: str = "A name") -> None:
    """Raises Usage for a sign that reorders text in a text, or in lists and mappings of such; `name` says what it is.

    The refusal repeats nothing of it, for it may be a secret.
    """
    if isinstance(value, str):
        if found := _REORDERING.search(value):
            number = ord(found[0])
            raise Usage(
                "reordering_sign",
                f"{name} holds U+{number:04X}, which reorders the text around it: people would read "
                "something else than what is there.",
                f"Take that sign out; in SQL, write it by its number: char({number}), or chr({number}) in PostgreSQL.",
            )
    elif isinstance(value, Mapping):
        for key, each in value.items():
            refuse_reordering(key)
            refuse_reordering(each, str(key))
    elif isinstance(value, list | tuple):
        for each in value:
            refuse_reordering(each, name)
