"""The tokens of one statement, and what names and texts among them mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lifecycle.documents.readers.postgresql.encodings import Encoding
from lifecycle.documents.readers.postgresql.lexer import closing, pattern
from lifecycle.documents.readers.refusals import unreadable
from lifecycle.documents.readers.text import Piece
from opsconsole.exceptions import OperationFailed

Token = tuple[str, str]  # kind as in `lexer`, or `quote` for $$...$$; text as written
END: Token = ("end", "")


@dataclass(frozen=True)
class Speech:
    """How a script writes texts at this place in it."""

    encoding: Encoding = field(default_factory=Encoding)
    standard_strings: bool = True


class Tokens:
    """A statement's tokens one after the other, without spaces and comments."""

    def __init__(self, statement: Piece, speech: Speech) -> None:
        self._statement = statement
        self._speech = speech
        self._tokens = self._all()
        self._next: Token | None = None

    def peek(self) -> Token:
        if self._next is None:
            self._next = next(self._tokens, END)
        return self._next

    def take(self) -> Token:
        token = self.peek()
        self._next = None
        return token

    def sees(self, *words: str) -> bool:
        """Whether the next token is one of these words (in capitals) or signs."""
        kind, text = self.peek()
        return kind in {"word", "sign"} and text.upper() in words

    def skip(self, *words: str) -> bool:
        """Take the next token when it is one of these."""
        seen = self.sees(*words)
        if seen:
            self.take()
        return seen

    def expect(self, *words: str) -> None:
        """Take these words or signs, in this order."""
        for word in words:
            if not self.skip(word):
                raise self.unexpected()

    def name(self) -> str:
        """A name, folded to lower case unless it is quoted."""
        kind, text = self.peek()
        if kind == "word":
            self.take()
            return text.lower()
        if kind == "name" and text.startswith('"'):
            self.take()
            return text[1:-1].replace('""', '"')
        raise self.unexpected()

    def qualified(self) -> tuple[str, str]:
        """(schema, name); the schema is "" where none is written."""
        name = self.name()
        return (name, self.name()) if self.skip(".") else ("", name)

    def names(self) -> tuple[str, ...]:
        """Names between parentheses."""
        self.expect("(")
        names = [] if self.sees(")") else [self.name()]
        while self.skip(","):
            names.append(self.name())
        self.expect(")")
        return tuple(names)

    def text(self) -> str:
        """What a quoted text means. The kinds that pg_dump never writes (U&'', adjacent parts) are refused."""
        kind, text = self.peek()
        if kind == "text" and text.startswith("'"):
            meaning = text[1:-1].replace("''", "'")
        elif kind == "escaped":
            meaning = self._speech.encoding.literal(text[text.index("'") + 1 : -1], self._statement.line)
        else:
            raise self.unexpected()
        self.take()
        return meaning

    def unexpected(self) -> OperationFailed:
        text = self.peek()[1][:40] or "its end"
        return unreadable(f"The statement that begins on line {self._statement.line} is not understood at: {text}")

    def _all(self) -> Iterator[Token]:
        data, here = self._statement.text, 0
        token = pattern(self._speech.standard_strings)
        while match := token.match(data, here):
            kind, here = str(match.lastgroup), match.end()
            if kind == "open":
                here = closing(data, match[0], here)
                kind = "comment" if match[0] == b"/*" else "quote"
            if kind not in {"space", "comment"}:
                yield kind, self._speech.encoding.text(data[match.start() : here], self._statement.line)
