"""Words of SQL, as each database itself takes a text apart: strings, names and comments are never mistaken for code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple


class Dialect(StrEnum):
    """Whose SQL it is. D1 speaks SQLite, inside a transaction, with foreign keys on."""

    POSTGRESQL = "postgresql"
    SQLITE = "sqlite"
    D1 = "d1"

    @property
    def is_sqlite(self) -> bool:
        return self is not Dialect.POSTGRESQL


class Kind(StrEnum):
    WORD = "word"  # a keyword or a bare name
    NAME = "name"  # a name in quotes
    STRING = "string"
    NUMBER = "number"
    SIGN = "sign"  # any other single character
    META = "meta"  # a command to psql or to the sqlite3 shell, with the rest of its line
    BROKEN = "broken"  # what never ends, or may not be in SQL at all; `text` says what


class Token(NamedTuple):
    kind: Kind
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """In capitals, as keywords are compared: no letter beyond ASCII is part of one."""
        return self.text.upper() if self.text.isascii() else self.text


_LETTER = r"A-Za-z_\x80-\U0010ffff"
_PLAIN = r"'[^']*+(?:''[^']*+)*+'"
_ESCAPED = r"'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+'"
_DOUBLE = r'"[^"]*+(?:""[^"]*+)*+"'
_NUMBER = r"0[xX][0-9A-Fa-f_]+|(?:[0-9][0-9_]*(?:\.(?!\.)[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?"
_POSTGRESQL = re.compile(
    rf"""(?P<space>[ \t\n\r\f\v]+|--[^\n\r]*|(?<![\s\S])\ufeff)
    |(?P<comment>/\*)
    |(?P<escaped>[eE]{_ESCAPED})
    |(?P<broken>[eE]')
    |(?P<string>(?:[bBxXnN]|[uU]&)?{_PLAIN})
    |(?P<name>(?:[uU]&)?{_DOUBLE})
    |(?P<word>[{_LETTER}][{_LETTER}0-9$]*)
    |(?P<dollar>\$(?:[{_LETTER}][{_LETTER}0-9]*)?\$)
    |(?P<number>{_NUMBER}|\$[0-9]+)
    |(?P<meta>\\[^\n\r]*)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_SQLITE = re.compile(
    rf"""(?P<space>[ \t\n\r\f]+|--[^\n]*|(?<![\s\S])\ufeff)
    |(?P<comment>/\*)
    |(?P<string>[xX]?{_PLAIN})
    |(?P<name>{_DOUBLE}|`[^`]*+(?:``[^`]*+)*+`|\[[^\]]*+\])
    |(?P<word>[{_LETTER}$][{_LETTER}0-9$]*)
    |(?P<number>{_NUMBER}|\?[0-9]*|[:@#][{_LETTER}0-9$]+)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_OPENING = {"'": "a string", '"': "a name in quotes", "`": "a name in quotes", "[": "a name in brackets"}
_EDGE = re.compile(r"/\*|\*/")
# An E'' string goes on after a line break, with the same escapes.
_CONTINUED = re.compile(
    rf"[ \t\f\v]*(?:--[^\n\r]*)?[\n\r](?:[ \t\n\r\f\v]+|--[^\n\r]*[\n\r])*(?P<body>{_ESCAPED}|')", re.DOTALL
)
_SHELL = re.compile(r"\.[A-Za-z][^\n]*")


def tokens(source: str, dialect: Dialect, start: int = 0) -> Iterator[Token]:
    """The significant tokens from `start` on, in order; blanks and comments are left out. A BROKEN one is the last."""
    pattern = _SQLITE if dialect.is_sqlite else _POSTGRESQL
    at, match = start, pattern.match
    while found := match(source, at):
        group, at = found.lastgroup or "", found.end()
        if group == "space":
            continue
        if group in ("word", "string", "number", "name"):
            yield Token(Kind(group), found[0], found.start(), at)
            continue
        token = _special(source, dialect, group, found)
        if token is None:
            at = _comment_end(source, dialect, found.start())
            continue
        at = token.end
        yield token
        if token.kind is Kind.BROKEN:
            return


def _special(source: str, dialect: Dialect, group: str, found: re.Match[str]) -> Token | None:
    """The token of what a regular expression alone cannot end; None for a comment that ends."""
    start, end, text = found.start(), found.end(), found[0]
    if group == "comment":
        ended = _comment_end(source, dialect, start) > 0
        return None if ended else Token(Kind.BROKEN, "a comment that never ends", start, len(source))
    if group == "dollar":
        closing = source.find(text, end)
        if closing < 0:
            return Token(Kind.BROKEN, f"a string that begins with {text} and never ends", start, len(source))
        return Token(Kind.STRING, source[start : closing + len(text)], start, closing + len(text))
    if group == "escaped":
        return _escaped(source, start, end)
    if group == "meta":
        return Token(Kind.META, text, start, end)
    if text == "\0":
        return Token(Kind.BROKEN, "a NUL character, at which a database stops reading", start, len(source))
    if group == "broken" or (text in _OPENING and (dialect.is_sqlite or text in "'\"")):
        return Token(Kind.BROKEN, f"{_OPENING.get(text, 'a string')} that never ends", start, len(source))
    return Token(Kind.SIGN, text, start, end)


def _comment_end(source: str, dialect: Dialect, start: int) -> int:
    """The offset after a comment, 0 when it never ends. Comments of PostgreSQL may hold others."""
    if dialect.is_sqlite:
        return source.find("*/", start + 2) + 2 if source.find("*/", start + 2) >= 0 else 0
    depth = 0
    for edge in _EDGE.finditer(source, start):
        depth += 1 if edge[0] == "/*" else -1
        if not depth:
            return edge.end()
    return 0


def _escaped(source: str, start: int, end: int) -> Token:
    while more := _CONTINUED.match(source, end):
        if more["body"] == "'":
            return Token(Kind.BROKEN, "a string that never ends", start, len(source))
        end = more.end()
    return Token(Kind.STRING, source[start:end], start, end)


def shell_command(source: str, token: Token) -> Token | None:
    """The command to the sqlite3 shell that begins with this token, such as `.read FILE`; None when there is none."""
    line = _SHELL.match(source, token.start) if token.text == "." else None
    at_line_start = not source[source.rfind("\n", 0, token.start) + 1 : token.start].strip()
    return Token(Kind.META, line[0], token.start, line.end()) if line and at_line_start else None
