"""Statements of a text, cut where the database itself would cut it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from opsconsole.review.findings import Statement
from opsconsole.review.lexing import Dialect, Kind, Token, shell_command, tokens

_NEWLINE = re.compile(r"\n")
_DATA_END = re.compile(r"^\\\.[ \t\r]*$", re.MULTILINE)
_ROUTINE = re.compile(r"CREATE (OR REPLACE )?(FUNCTION|PROCEDURE) ")
_TRIGGER = re.compile(r"(EXPLAIN (QUERY PLAN )?)?CREATE (TEMP |TEMPORARY )?TRIGGER ")


@dataclass(frozen=True)
class Piece:
    """A statement with its tokens. `trouble` says why it cannot be read, "" when it can; `ended` by a semicolon."""

    statement: Statement
    tokens: tuple[Token, ...]
    trouble: str = ""
    ended: bool = True
    data: bool = False  # lines for COPY follow it


def split(text: str, dialect: Dialect) -> tuple[Statement, ...]:
    """The statements of a text, in order; pieces without code are none. Never raises."""
    return tuple(piece.statement for piece in pieces(text, dialect))


def pieces(text: str, dialect: Dialect) -> list[Piece]:
    """The statements with their tokens. Whatever never ends is one statement to the end of the text."""
    lines = [match.start() for match in _NEWLINE.finditer(text)]
    cut = _sqlite_pieces(text, dialect) if dialect.is_sqlite else _postgresql_pieces(text)
    found = []
    for number, (taken, trouble, ended, data_end) in enumerate(cut, 1):
        start, end = taken[0].start, max(taken[-1].end, data_end)
        line = bisect_right(lines, start - 1) + 1 if start else 1
        statement = Statement(number=number, text=text[start:end], line=line, start=start, end=end)
        found.append(Piece(statement, tuple(taken), trouble, ended, data_end > 0))
    return found


_Cut = tuple[list[Token], str, bool, int]  # tokens, trouble, whether a semicolon ends it, where its data ends


def _postgresql_pieces(text: str) -> Iterator[_Cut]:
    at = 0
    while at < len(text):
        taken: list[Token] = []
        depth = body = 0  # of parentheses, and of BEGIN ATOMIC and CASE inside it
        for token in tokens(text, Dialect.POSTGRESQL, at):
            at = token.end
            if token.text == ";" and depth <= 0 and not body:
                break
            taken.append(token)
            if token.kind in (Kind.META, Kind.BROKEN) and len(taken) == 1:
                break
            if token.kind is Kind.SIGN:
                depth += (token.text == "(") - (token.text == ")")
            elif token.kind is Kind.WORD and not depth:
                body = _body_depth(taken, body)
        else:
            if taken:
                yield taken, _trouble(taken, depth, body), False, _data_end(text, taken, at)
            return
        if taken:
            data_end = _data_end(text, taken, at)
            at = max(at, data_end)
            yield taken, _trouble(taken, 0, 0), True, data_end


def _body_depth(taken: list[Token], body: int) -> int:
    """How deep we are in the body of a routine in SQL's own form, after the last token."""
    word = taken[-1].word
    if body:
        return body + (word == "CASE") - (word == "END")
    begins = word == "ATOMIC" and len(taken) > 2 and taken[-2].word == "BEGIN"
    return int(begins and _ROUTINE.match(_head(taken)) is not None)


def _head(taken: list[Token]) -> str:
    return "".join(f"{token.word} " for token in taken[:8])


def _data_end(text: str, taken: list[Token], at: int) -> int:
    """Where the lines end that COPY FROM STDIN reads, 0 for any other statement."""
    words = [token.word for token in taken if token.kind is Kind.WORD]
    if not words or words[0] != "COPY" or "STDIN" not in words:
        return 0
    end = _DATA_END.search(text, at)
    return end.end() if end else len(text)


def _trouble(taken: list[Token], depth: int, body: int) -> str:
    for token in (taken[0], taken[-1]):
        if token.kind is Kind.BROKEN:
            return token.text
    if depth > 0:
        return "a parenthesis that is never closed"
    return "a body that never ends" if body else ""


def _sqlite_pieces(text: str, dialect: Dialect) -> Iterator[_Cut]:
    """As `sqlite3_complete` has it: a trigger ends with a semicolon, END and a semicolon."""
    taken: list[Token] = []
    trigger = False
    for token in _with_shell_commands(text, dialect):
        if token.kind is Kind.META:
            yield [*taken, token], "", False, 0
            taken, trigger = [], False
            continue
        if token.text == ";" and not (trigger and not _ends_trigger(taken)):
            if taken:
                yield taken, _trouble(taken, 0, 0), True, 0
            taken, trigger = [], False
            continue
        if token.text == ";" and not taken:
            continue
        taken.append(token)
        if token.kind is Kind.WORD and len(taken) <= 6:
            trigger = trigger or _TRIGGER.fullmatch(_head(taken)) is not None
    if taken:
        yield taken, _trouble(taken, 0, int(trigger and not _ends_trigger(taken))), False, 0


def _ends_trigger(taken: list[Token]) -> bool:
    return len(taken) > 1 and taken[-1].word == "END" and taken[-2].text == ";"


def _with_shell_commands(text: str, dialect: Dialect) -> Iterator[Token]:
    at, fresh = 0, True
    while at < len(text):
        for token in tokens(text, dialect, at):
            if fresh and (command := shell_command(text, token)):
                yield command
                at = command.end
                break
            fresh = token.text == ";"
            yield token
        else:
            return
