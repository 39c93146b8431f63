"""Whether a text for PostgreSQL may be run statement by statement in a transaction, and still mean the same.

A text of several statements is one implicit transaction there. An explicit one around its statements differs only for
statements that end or need a transaction of their own, and for settings that change how the rest is read.
"""

from __future__ import annotations

from typing import NamedTuple

from opsconsole.review.lexing import Dialect, Kind
from opsconsole.review.splitting import Piece, pieces

_ENDS = frozenset(
    {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "PREPARE", "COPY", "DISCARD"}
)
_ALONE = frozenset({"VACUUM", "CALL", "DO", "CLUSTER", "REINDEX"})  # alone they may (or must) stand outside of one
_ALONE_IN = (
    ("CREATE", "DATABASE"), ("DROP", "DATABASE"), ("ALTER", "DATABASE"), ("ALTER", "SYSTEM"), ("CREATE", "TABLESPACE"),
    ("DROP", "TABLESPACE"), ("CREATE", "SUBSCRIPTION"), ("ALTER", "SUBSCRIPTION"), ("DROP", "SUBSCRIPTION"),
)  # fmt: skip
_READING = frozenset({"STANDARD_CONFORMING_STRINGS", "BACKSLASH_QUOTE"})


class Step(NamedTuple):
    """A statement, or a whole text; `line` is 1-based within the file."""

    text: str
    line: int


def steps_of(text: str) -> tuple[list[Step], str]:
    """The statements, or why the text is to be run as a whole."""
    found = pieces(text, Dialect.POSTGRESQL)
    if why := next((why for piece in found if (why := _against(piece, alone=len(found) == 1))), ""):
        return [], why
    return [Step(piece.statement.text, piece.statement.line) for piece in found], ""


def _against(piece: Piece, *, alone: bool) -> str:
    if piece.trouble or piece.tokens[0].kind is Kind.META:
        return "it could not be taken apart, so its time is told as a whole"
    words = [token.text.upper() for token in piece.tokens if token.kind is Kind.WORD]
    first = words[0] if words else ""
    if first in _ENDS:
        return f"it holds {first}, so its time is told as a whole"
    if _READING & set(words):
        return "it changes how strings are read, so its time is told as a whole"
    if alone and (first in _ALONE or "CONCURRENTLY" in words or tuple(words[:2]) in _ALONE_IN):
        return f"{first} is run outside of a transaction, as it must be, so its locks are only sampled"
    return ""
