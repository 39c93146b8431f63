"""One statement as words, read from left to right. Whoever reads it to its end has understood all of it."""

from __future__ import annotations

from collections.abc import Sequence

from opsconsole.review.lexing import Dialect, Kind, Token

STRING, NUMBER = "'", "0"  # how a string and a number stand among the words
_OPENING, _CLOSING = frozenset("(["), frozenset(")]")


class Unreadable(Exception):
    """The statement holds something that the rule for its kind does not know."""


class Reader:
    """Words of a statement or of a part of it.

    A bare word stands in capitals, a quoted name as `"name`, a string as STRING, a number as NUMBER and any other
    character as itself; so that a keyword is never met in quotes.
    """

    def __init__(self, tokens: Sequence[Token], dialect: Dialect) -> None:
        self.tokens = tokens
        self.dialect = dialect
        self.words = [_word(token) for token in tokens]
        self.place = 0

    @property
    def done(self) -> bool:
        return self.place >= len(self.words)

    @property
    def next(self) -> str:
        """The next word, "" at the end."""
        return self.words[self.place] if not self.done else ""

    @property
    def token(self) -> Token:
        """The next token, or the last one at the end."""
        return self.tokens[min(self.place, len(self.tokens) - 1)]

    def at(self, *words: str) -> bool:
        return tuple(self.words[self.place : self.place + len(words)]) == words

    def take(self, *words: str) -> bool:
        """Move past these words if they come next, all of them."""
        if not self.at(*words):
            return False
        self.place += len(words)
        return True

    def take_one(self, *alternatives: str) -> str:
        """Move past the next word if it is one of these; gives it back, or ""."""
        found = self.next if self.next in alternatives else ""
        self.place += bool(found)
        return found

    def need(self, *words: str) -> None:
        if not self.take(*words):
            raise Unreadable

    def skip(self) -> Token:
        """Move past one token, whatever it is. Raises Unreadable at the end."""
        if self.done:
            raise Unreadable
        self.place += 1
        return self.tokens[self.place - 1]

    def end(self) -> None:
        """Raises Unreadable unless everything was read."""
        if not self.done:
            raise Unreadable

    def name(self) -> str:
        """A name with its schema, as the database would look it up: `schema.table`."""
        parts = [self._part()]
        while self.take("."):
            parts.append(self._part())
        if self.dialect.is_sqlite and parts[0] == "main":
            del parts[0]  # where names without a schema are looked for anyway
        return ".".join(parts)

    def names(self) -> list[str]:
        """Names with commas between them."""
        found = [self.name()]
        while self.take(","):
            found.append(self.name())
        return found

    def group(self) -> Reader:
        """What stands in the parentheses that come next, which are moved past."""
        if self.next not in _OPENING:
            raise Unreadable
        end = self.closing(self.place)
        inner = self.part(self.place + 1, end)
        self.place = end + 1
        return inner

    def rest(self) -> Reader:
        """Everything that is left, which is moved past."""
        left = self.part(self.place, len(self.words))
        self.place = len(self.words)
        return left

    def until(self, *stops: str) -> Reader:
        """Everything before the next of these words outside parentheses, or all that is left."""
        start, place = self.place, self.place
        while place < len(self.words) and self.words[place] not in stops:
            place = self.closing(place) + 1 if self.words[place] in _OPENING else place + 1
        self.place = place
        return self.part(start, place)

    def listed(self) -> list[Reader]:
        """What is left, cut at the commas outside parentheses."""
        parts = [self.until(",")]
        while self.take(","):
            parts.append(self.until(","))
        return parts

    def depth(self) -> int:
        """How deep parentheses stand in one another."""
        depth = deepest = 0
        for word in self.words:
            depth += (word in _OPENING) - (word in _CLOSING)
            deepest = max(deepest, depth)
        return deepest

    def closing(self, place: int) -> int:
        """The place of the parenthesis that closes the one at `place`. Raises Unreadable when there is none."""
        depth = 0
        for at in range(place, len(self.words)):
            word = self.words[at]
            if word in _OPENING:
                depth += 1
            elif word in _CLOSING:
                depth -= 1
                if not depth:
                    return at
        raise Unreadable

    def _part(self) -> str:
        token = self.skip()
        if token.kind is Kind.WORD:
            return token.text.lower()
        if token.kind is Kind.NAME:
            return unquoted(token, self.dialect)
        if token.kind is Kind.STRING and self.dialect.is_sqlite:
            return unquoted(token, self.dialect)  # SQLite takes 'name' for a name, too
        raise Unreadable

    def part(self, start: int, end: int) -> Reader:
        """The words from one place to another, to be read by themselves."""
        part = Reader.__new__(Reader)
        part.dialect, part.place = self.dialect, 0
        part.tokens, part.words = self.tokens[start:end], self.words[start:end]
        return part


def _word(token: Token) -> str:
    match token.kind:
        case Kind.WORD:
            return token.word
        case Kind.NAME:
            return '"' + token.text
        case Kind.STRING:
            return STRING
        case Kind.NUMBER:
            return NUMBER
        case _:
            return token.text


def unquoted(token: Token, dialect: Dialect = Dialect.SQLITE) -> str:
    """A name as the database would look it up. SQLite looks at small letters whatever the quotes."""
    text = token.text
    if text[:2].upper() == "U&":
        text = text[2:]
    if text[0] in "\"'`[":
        name = text[1:-1] if text[0] == "[" else text[1:-1].replace(text[0] * 2, text[0])
        return name.lower() if dialect.is_sqlite else name
    return text.lower()
