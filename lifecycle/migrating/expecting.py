"""Which tables and indexes the texts of applied migrations leave behind, by name, and which of them are missing.

Texts are read and not run: what a procedure or a `DO` block makes is not seen, and is told as unread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from opsconsole.engines.scripting import Script
from opsconsole.review.lexing import Dialect, Kind, Token
from opsconsole.review.splitting import Piece, pieces

Name = tuple[str, str]  # schema, "" where none is said; and name
_UNREAD = frozenset({"DO", "CALL", "EXECUTE"})
_NOISE = frozenset({"IF", "NOT", "EXISTS", "CONCURRENTLY", "ONLY", "UNLOGGED", "GLOBAL", "LOCAL", "VIRTUAL", "UNIQUE"})
_TABLES = {
    "postgresql": "SELECT schemaname::text, tablename::text FROM pg_tables",
    "sqlite": "SELECT '', name FROM sqlite_master WHERE type = 'table'",
}
_INDEXES = {
    "postgresql": "SELECT schemaname::text, indexname::text FROM pg_indexes",
    "sqlite": "SELECT '', name FROM sqlite_master WHERE type = 'index'",
}


@dataclass(frozen=True, kw_only=True)
class Missing:
    """What is not there of what was expected; `unread` are statements whose effect is not in their text."""

    tables: tuple[str, ...]
    indexes: tuple[str, ...]
    expected_tables: int
    expected_indexes: int
    unread: int


@dataclass
class Expected:
    """The tables and indexes (with the table of each) after some texts."""

    dialect: Dialect
    tables: dict[Name, None] = field(default_factory=dict)
    indexes: dict[Name, Name] = field(default_factory=dict)
    unread: int = 0

    def take(self, text: str) -> None:
        """What one text makes, renames and drops."""
        for piece in pieces(text, self.dialect):
            self._statement(piece)

    def missing(self, script: Script) -> Missing:
        """Compare with the live schema. Raises ScriptFailed, and TargetProblem when the session is lost."""
        return Missing(
            tables=_missing(self.tables, script, _TABLES),
            indexes=_missing(self.indexes, script, _INDEXES),
            expected_tables=len(self.tables),
            expected_indexes=len(self.indexes),
            unread=self.unread,
        )

    def _statement(self, piece: Piece) -> None:
        words = [token.text.upper() if token.kind is Kind.WORD else "" for token in piece.tokens]
        verb, rest = words[0], _Rest([token for token in piece.tokens[1:] if token.text.upper() not in _NOISE])
        if verb in _UNREAD or piece.trouble:
            self.unread += 1
        elif verb == "CREATE":
            self._create(rest)
        elif verb == "DROP":
            self._drop(rest)
        elif verb == "ALTER":
            self._alter(rest)

    def _create(self, rest: _Rest) -> None:
        what = rest.word()
        if what == "TABLE":
            self.tables[rest.name()] = None
        elif what == "INDEX" and rest.peek() != "ON":
            name = rest.name()
            if rest.word() == "ON":
                table = rest.name()
                self.indexes[(name[0] or table[0], name[1])] = table

    def _drop(self, rest: _Rest) -> None:
        what = rest.word()
        for name in rest.names():
            if what == "TABLE":
                self._without_table(name)
            elif what == "INDEX":
                _forget(self.indexes, name)
            elif what == "SCHEMA":
                for table in [each for each in self.tables if each[0] == name[1]]:
                    self._without_table(table)

    def _without_table(self, name: Name) -> None:
        _forget(self.tables, name)
        for index in [index for index, table in self.indexes.items() if _same(table, name)]:
            del self.indexes[index]

    def _alter(self, rest: _Rest) -> None:
        what, name = rest.word(), rest.name()
        if what not in ("TABLE", "INDEX") or rest.word() not in ("RENAME", "SET"):
            return
        if (then := rest.word()) not in ("TO", "SCHEMA"):
            return  # of a column, or of something else
        said = rest.name()[1]
        renamed = (name[0], said) if then == "TO" else (said, name[1])
        if what == "INDEX":
            self.indexes = {renamed if _same(each, name) else each: table for each, table in self.indexes.items()}
            return
        self.tables = {renamed if _same(each, name) else each: None for each in self.tables}
        self.indexes = {each: renamed if _same(table, name) else table for each, table in self.indexes.items()}


class _Rest:
    """The tokens of a statement behind its first words, read from left to right."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens, self._at = tokens, 0

    def peek(self) -> str:
        """The next token, in capitals; "" at the end."""
        return self._tokens[self._at].text.upper() if self._at < len(self._tokens) else ""

    def word(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1].text.upper() if self._at <= len(self._tokens) else ""

    def name(self) -> Name:
        """`name`, or `schema.name`."""
        first = self._one()
        if self.peek() != ".":
            return "", first
        self._at += 1
        return first, self._one()

    def names(self) -> Iterable[Name]:
        yield self.name()
        while self.peek() == ",":
            self._at += 1
            yield self.name()

    def _one(self) -> str:
        if self._at >= len(self._tokens):
            return ""
        token = self._tokens[self._at]
        self._at += 1
        if token.kind is Kind.WORD:
            return token.text.lower()
        quote = token.text[:1]
        return token.text[1:-1].replace(quote * 2, quote) if quote in '"`[' else token.text.strip("'")


def _forget(kept: dict[Name, Any], name: Name) -> None:
    for found in [each for each in kept if _same(each, name)]:
        del kept[found]


def _same(one: Name, other: Name) -> bool:
    return one[1] == other[1] and (one[0] == other[0] or not one[0] or not other[0])


def _missing(expected: Iterable[Name], script: Script, asked: dict[str, str]) -> tuple[str, ...]:
    """Without a schema, a name in any counts. SQLite knows no capitals in names."""
    any_case = script.vendor == "sqlite"
    live = {(str(schema), _cased(str(name), any_case)) for schema, name in script.ask(asked[script.vendor])}
    plain = {name for _, name in live}
    gone = []
    for schema, name in expected:
        cased = _cased(name, any_case)
        if (schema, cased) not in live if schema and not any_case else cased not in plain:
            gone.append(".".join(part for part in (schema, name) if part))
    return tuple(gone)


def _cased(name: str, any_case: bool) -> str:
    return name.lower() if any_case else name
