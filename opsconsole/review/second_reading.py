"""A second opinion: sqlglot reads queries again, whose nesting our own rules only scan. Equal shapes are read once."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.simplify import simplify

from opsconsole.review.lexing import Dialect, Kind, Token
from opsconsole.review.reading import NUMBER, STRING, Reader

MOST_SHAPES = 1000  # different queries of one text; together well under a second or two
LONGEST = 100_000  # characters of a shape
logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it tells of every statement that it takes for a Command
_WRITES: tuple[type[exp.Expression], ...] = (
    exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Drop, exp.Create, exp.Alter, exp.TruncateTable, exp.Command,
    exp.Copy, exp.Into,
)  # fmt: skip
# What a parser of foreign texts has been seen to raise, beside its own errors.
_FAILURES = (SqlglotError, RecursionError, AttributeError, IndexError, KeyError, TypeError, ValueError)
_OPERATOR = frozenset("+-*/<>=~!@#%^&|?:")
_COMPARING = frozenset({"=", "<", ">", "!", "~", "IS"})


@dataclass(frozen=True)
class Opinion:
    """What sqlglot sees: kinds of writing (`insert`, `delete`, ...), and whether the outer WHERE is always true."""

    readable: bool
    writes: frozenset[str] = frozenset()
    always: bool = False


class SecondReading:
    """Asks sqlglot, at most once for queries that differ in values alone. `parses` counts how often it was asked."""

    def __init__(self, dialect: Dialect) -> None:
        self._name = "sqlite" if dialect.is_sqlite else "postgres"
        self._known: dict[str, Opinion] = {}
        self.parses = 0

    def of(self, reader: Reader) -> Opinion:
        shape = _shape(reader)
        if shape not in self._known:
            if self.parses >= MOST_SHAPES or len(shape) > LONGEST:
                return Opinion(readable=False)
            self.parses += 1
            self._known[shape] = self._read(shape)
        return self._known[shape]

    def _read(self, shape: str) -> Opinion:
        try:
            trees = [tree for tree in sqlglot.parse(shape, read=self._name) if tree is not None]
            if len(trees) != 1:
                return Opinion(readable=False)
            (tree,) = trees
            writes = frozenset(type(node).__name__.lower() for node in tree.find_all(*_WRITES))
            where = tree.args.get("where")
            return Opinion(readable=True, writes=writes, always=where is not None and _always(where.this))
        except _FAILURES:
            return Opinion(readable=False)


def _always(condition: exp.Expression) -> bool:
    found = simplify(condition)
    if isinstance(found, exp.Paren):
        found = found.unnest()
    if isinstance(found, exp.Literal):
        return not found.is_string and found.this.strip("0.") != ""
    return isinstance(found, exp.Boolean) and bool(found.this)


def _shape(reader: Reader) -> str:
    """The words with values made equal and repeated ones left out, unless values are compared with one another."""
    exact = _compares_values(reader.words)
    out: list[str] = []
    opened: list[int] = []
    values = -1  # how deep the last VALUES stands, whose groups of values become equal
    end = 0
    for word, token in zip(reader.words, reader.tokens, strict=True):
        if word in _OPERATOR and token.start == end and out and out[-1][-1] in _OPERATOR and len(out[-1]) < 8:
            out[-1] += word  # `>=` and `::` are one
            end = token.end
            continue
        end = token.end
        if token.kind is Kind.WORD and len(opened) == values:
            values = -1
        values = len(opened) if word == "VALUES" else values
        shown = token.text if exact else _shown(word, token, out, len(opened) == values + 1 > 0)
        if not exact and word in (STRING, NUMBER, "NULL") and out[-2:] == [shown, ","]:
            out.pop()
            continue
        if word == "(":
            opened.append(len(out))
        out.append(shown)
        if word == ")" and opened:
            _fold(out, opened.pop())
    return " ".join(out)


def _shown(word: str, token: Token, out: list[str], in_values: bool) -> str:
    if in_values and word in (STRING, NUMBER, "NULL", "TRUE", "FALSE"):
        if out[-2:-1] in (["("], [","]) and out[-1] in "-+":
            out.pop()
        if out[-1:] in (["("], [","]):
            return "2"
    if word == STRING:
        return "'s'"
    if word == NUMBER:
        return token.text if token.text in "01" else "2"
    if token.kind is Kind.NAME and token.text[0] in "`[":
        return '"' + token.text[1:-1].replace('"', '""') + '"'
    return token.text


def _fold(out: list[str], start: int) -> None:
    """Leave out a group in parentheses that repeats the one before it, and the comma between them."""
    group = out[start:]
    before = start - 1 - len(group)
    if before >= 0 and out[start - 1] == "," and out[before : start - 1] == group:
        del out[start - 1 :]


def _compares_values(words: list[str]) -> bool:
    """Whether a value stands on both sides of a comparison, as in `1 = 1`."""
    values = (STRING, NUMBER)
    for place, word in enumerate(words):
        if word not in values or place + 2 >= len(words) or words[place + 1] not in _COMPARING:
            continue
        after = place + 2 + (words[place + 2] in _COMPARING)
        if after < len(words) and words[after] in values:
            return True
    return False
