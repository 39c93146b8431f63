"""A script as psql would take it apart: statements, comments, psql's own commands, and the lines of COPY data.

The rules are those of PostgreSQL's `psqlscan.l`: nested comments, dollar quotes, E'' strings, parentheses, and the
bodies between BEGIN ATOMIC and END. Nothing is ever run. At most one statement is held in memory, and what is longer
than any that pg_dump writes is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from lifecycle.documents.limits import Limits
from lifecycle.documents.readers.refusals import unreadable
from lifecycle.documents.readers.text import LONGEST_DEFINITION, LONGEST_INSERT, Piece, Text

MOST_ODD = 10_000  # tokens of an INSERT that pg_dump does not write there: comments, dollar quotes, operators
LONGEST_LINE = Limits.row  # bytes of one row of COPY data
_TEXT = rb"(?:[bBxXnN]|[uU]&)?'[^']*+(?:''[^']*+)*+'"
_ESCAPED = rb"'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+'"
_REST = rb"""
    |(?P<name>(?:[uU]&)?"[^"]*+(?:""[^"]*+)*+")
    |(?P<open>/\*|\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$)
    |(?P<unclosed>(?:[eEbBxXnN]|[uU]&)?'|(?:[uU]&)?"|\$[A-Za-z0-9_\x80-\xff]*\Z)
    |(?P<word>[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*)
    |(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    |(?P<sign>.)
"""
_SPACE = rb"(?P<space>[ \t\r\n\f\v]+)|(?P<comment>--[^\n]*)|"
_FLAGS = re.VERBOSE | re.DOTALL
_TOKEN = re.compile(_SPACE + rb"(?P<escaped>[eE]" + _ESCAPED + rb")|(?P<text>" + _TEXT + rb")" + _REST, _FLAGS)
_OLD_TOKEN = re.compile(_SPACE + rb"(?P<escaped>[eE]?" + _ESCAPED + rb")|(?P<text>" + _TEXT + rb")" + _REST, _FLAGS)
# What an INSERT is made of, taken at one go. Each part needs a sign behind it, for the rest of it may not be read yet.
# A choice that repeats is not possessive itself: Python 3.11.2 loses its place in one. It stands in (?>...) instead, a
# thousand at a time, for each keeps a place to come back to until the group has ended.
_RUN = re.compile(
    rb"""(?>(?:(?>(?:
    [^'"$\\/\-;A-Za-z_\x80-\xff]++ | -(?=[^-]) | [bB]?'[^']*+(?:''[^']*+)*+'(?=[^'])
    | [eE]'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+'(?=[^']) | "[^"]*+(?:""[^"]*+)*+"(?=[^"])
    | [A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*+(?=[^A-Za-z0-9_$\x80-\xff'"&])
    ){1,1000}))*)""",
    _FLAGS,
)
_NESTING = re.compile(rb"/\*|\*/")
_ROUTINE = re.compile(rb"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\b", re.IGNORECASE)


def pattern(standard_strings: bool) -> re.Pattern[bytes]:
    """One token; what `open` begins goes on to `closing`."""
    return _TOKEN if standard_strings else _OLD_TOKEN


def closing(data: bytes, mark: bytes, here: int) -> int:
    """The end of the comment or dollar quote that `mark` opened before `here`; -1 when it does not close in `data`."""
    if mark != b"/*":
        found = data.find(mark, here)
        return found + len(mark) if found >= 0 else -1
    depth = 1
    for match in _NESTING.finditer(data, here):
        depth += 1 if match[0] == b"/*" else -1
        if not depth:
            return match.end()
    return -1


class Comment(Piece):
    """A `--` comment between statements."""


class Command(Piece):
    """A line of psql's own, from its backslash on."""


class Script(Text):
    """`pieces` goes through a script; after a COPY statement, `data` gives its lines before `pieces` goes on."""

    advice = "Dump the table with COPY (pg_dump without --inserts), where only a row has to fit."

    def __init__(self, stream: BinaryIO, *, standard_strings: bool = True) -> None:
        super().__init__(stream)
        self.standard_strings = standard_strings  # whether backslashes in '...' stand for themselves

    def pieces(self) -> Iterator[Piece]:
        """Raises OperationFailed("unreadable") for whatever does not end, is too long, or holds NUL."""
        while True:
            kind, end = self._token(self._at)
            if not kind:
                return
            if kind == "space":
                self._take(end)
            elif kind == "comment":
                yield Comment(self.line, self._take(end))
            elif kind == "open" and self._data.startswith(b"/*", self._at):
                self._take(self._end_of_opened(self._at, end))
            elif self._data.startswith(b"\\", self._at):
                yield self._command(self._at)
            elif kind == "word" and self._data[self._at : end].upper() == b"INSERT":
                yield self._insert()
            else:
                yield from self._statement()

    def data(self) -> Iterator[tuple[int, bytes]]:
        """(line, row without its end) of a COPY block up to `\\.`, which is taken as well."""
        rest = self._line()
        if rest.strip():
            raise unreadable(f"On line {self.line - 1} something stands behind COPY ... FROM stdin.")
        crlf = rest.endswith(b"\r")
        while (row := self._row(crlf)) != b"\\.":
            yield self.line - 1, row

    # -- statements ----------------------------------------------------------------------------------------------

    def _statement(self) -> Iterator[Piece]:
        """A statement; a backslash inside of one begins a command, which no dump does."""
        here, depth, blocks = self._at, 0, 0
        while True:
            start = here - self._at
            kind, end = self._token(here)
            here = self._at + start
            if not kind:
                raise unreadable(f"The statement that begins on line {self.line} has no end.")
            if kind == "open":
                end = self._end_of_opened(here, end)
            elif kind == "word" and not depth:
                blocks = self._blocks(self._data[here:end].lower(), blocks)
            elif kind == "sign":
                sign = self._data[here:end]
                depth += (sign == b"(") - (sign == b")" and depth > 0)
                if sign == b"\\":
                    yield self._command(here)
                    return
                if sign == b";" and not depth and not blocks:
                    yield self._statement_to(end, LONGEST_DEFINITION)
                    return
            here = end

    def _insert(self) -> Piece:
        """Like `_statement`, many times as fast; no semicolon stands in one outside of quotes but its last."""
        here = self._at
        for _ in range(MOST_ODD):
            if self.standard_strings and (run := _RUN.match(self._data, here)):
                here = run.end()
            start = here - self._at
            kind, end = self._token(here, LONGEST_INSERT)
            here = self._at + start
            if not kind:
                raise unreadable(f"The statement that begins on line {self.line} has no end.")
            if kind == "open":
                end = self._end_of_opened(here, end)
            elif self._data[here:end] == b"\\":
                return self._command(here)
            elif self._data[here:end] == b";":
                return self._statement_to(end, LONGEST_INSERT)
            here = end
        raise unreadable(f"The INSERT on line {self.line} is none that pg_dump writes.")

    def _blocks(self, word: bytes, blocks: int) -> int:
        """How many bodies of a routine in SQL are open after this word."""
        if blocks:
            return blocks + (word in {b"begin", b"case"}) - (word == b"end")
        return int(word == b"begin" and _ROUTINE.match(self._data, self._at) is not None)

    def _token(self, here: int, most: int = LONGEST_DEFINITION) -> tuple[str, int]:
        """(kind, end) of the token at `here`, counted from the present beginning; ("", 0) at the end of the script.

        A token that touches the end of what was read may go on, so more is read first.
        """
        while True:
            match = pattern(self.standard_strings).match(self._data, here)
            if match and match.lastgroup != "unclosed" and (match.end() + 2 < len(self._data) or self._ended):
                return str(match.lastgroup), match.end()
            if self._ended:
                if match:
                    raise unreadable(f"A quote that opens in the statement of line {self.line} does not close.")
                return "", 0
            here -= self._at
            self._more(most)
            here += self._at

    def _end_of_opened(self, start: int, inside: int) -> int:
        """Where the comment or dollar quote ends whose mark is at `start`."""
        mark = self._data[start:inside]
        start, inside = start - self._at, inside - self._at
        while (end := closing(self._data, mark, self._at + inside)) < 0:
            if self._ended:
                what = "comment" if mark == b"/*" else f"quote {mark.decode(errors='replace')}"
                raise unreadable(f"A {what} that opens in the statement of line {self.line} does not close.")
            self._more(LONGEST_DEFINITION)
        return end

    def _command(self, here: int) -> Command:
        line = self.line + self._data.count(b"\n", self._at, here)
        self._take(here)
        return Command(line, self._line().rstrip(b"\r"))

    # -- lines ---------------------------------------------------------------------------------------------------

    def _row(self, crlf: bool) -> bytes:
        """A row; a backslash before the end of a line makes the next one part of it."""
        row = self._line()
        if crlf:
            row = row.removesuffix(b"\r")
        while row.endswith(b"\\") and (len(row) - len(row.rstrip(b"\\"))) % 2:
            row += b"\n" + self._line()
            if len(row) > LONGEST_LINE:
                raise self._too_long(LONGEST_LINE)
        return row

    def _line(self) -> bytes:
        while (end := self._data.find(b"\n", self._at)) < 0:
            if self._ended:
                return self._last_line()
            self._more(LONGEST_LINE)
        line = self._data[self._at : end]
        self._at = end + 1
        self.line += 1
        return line

    def _last_line(self) -> bytes:
        if self._at == len(self._data):
            raise unreadable(f"The file ends on line {self.line} in the middle of a COPY.")
        line = self._data[self._at :]
        self._at = len(self._data)
        return line
