"""What a migration's statements begin with, and whether the last one ends: what tools stumble over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lifecycle.sources.base import Place
from opsconsole.exceptions import Refused
from opsconsole.review.lexing import Dialect
from opsconsole.review.splitting import pieces

_BEGINNING = frozenset({"BEGIN", "START"})
_ENDING = frozenset({"COMMIT", "END", "ROLLBACK", "ABORT"})


@dataclass(frozen=True)
class Found:
    """One statement: its 1-based line, its first words in capitals, and whether it has its semicolon."""

    line: int
    words: tuple[str, ...]
    ends: bool


def code(text: str, dialect: Dialect = Dialect.SQLITE) -> Iterator[Found]:
    """The statements of a text that are more than comments."""
    for piece in pieces(text, dialect):
        words = tuple(token.text.upper() for token in piece.tokens[:6])
        yield Found(piece.statement.line, words, piece.ended)


def require_own_transaction(path: str, text: str, place: Place, marker: str = "") -> None:
    """Raises Refused for a text that begins or ends transactions, where its tool runs it inside one.

    It would end the one around it: what it did before would stay, whatever becomes of the rest and of its row.
    `marker` is what lets a file of that tool run in none.
    """
    for found in code(text, Dialect(place.engine)):
        first = found.words[0]
        if first in _BEGINNING or (first in _ENDING and "TO" not in found.words[:3]) or _prepares(found.words):
            raise Refused(
                "file_refused",
                f"{path} has {first} in line {found.line}, but it runs inside a transaction together with its row in"
                " the ledger.",
                f"Take it out, or begin the file with {marker}." if marker else "Take it out.",
            )


def _prepares(words: tuple[str, ...]) -> bool:
    return words[:2] == ("PREPARE", "TRANSACTION")
