"""Rows out of INSERT statements, as texts by column: what they mean, the target's types decide.

Plain constants, of which nearly all dumps are made, are read by one expression each; `_values` knows the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice

from lifecycle.documents.base import Row
from lifecycle.documents.readers.postgresql.rows import Target
from lifecycle.documents.readers.postgresql.tokens import END, Speech, Tokens
from lifecycle.documents.readers.refusals import unreadable
from lifecycle.documents.readers.text import Piece
from opsconsole.exceptions import OperationFailed

_CONSTANTS = {"NULL": None, "TRUE": "true", "FALSE": "false"}
_BITS = re.compile(r"[bB]'([01]*)'")
_ADVICE = "Dump the table with COPY (pg_dump without --inserts), or with --column-inserts."
_PLAIN = re.compile(
    r"\s*(?:'([^']*+(?:''[^']*+)*+)'|(-?[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)|(NULL|true|false))\s*([,)])"
)
_OPENS = re.compile(r"\s*\(")
_GOES_ON = re.compile(r"\s*,")
_ENDS = re.compile(r"\s*(?:ON\s+CONFLICT\s+DO\s+NOTHING\s*)?;")
_MOST_HEADS = 1000
_WORDS = {"NULL": None, "true": "true", "false": "false"}

Columns = Callable[[str, str], tuple[str, ...] | None]  # of (schema, table), where they are known


class Inserts:
    """Reads the INSERTs of one dump. What stands before VALUES is understood once for each table."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._heads: dict[bytes, Target] = {}

    def rows(self, statement: Piece, speech: Speech) -> Iterator[tuple[Target, Row]]:
        """The rows of `INSERT INTO table [(columns)] VALUES (...), (...)`."""
        head, _, rest = statement.text.partition(b"VALUES")
        target = self._heads.get(head) or self._learn(Piece(statement.line, head + b"VALUES"), head, speech)
        done = 0
        if target is not None and target.columns and speech.standard_strings:
            text, here = speech.encoding.text(rest, statement.line), 0
            while (found := _plain_row(text, here, target.columns)) is not None:
                row, here = found
                yield target, row
                done += 1
                if _ENDS.fullmatch(text, here):
                    return
                if not (match := _GOES_ON.match(text, here)):
                    break
                here = match.end()
        yield from islice(_inserted(statement, speech, self._columns), done, None)

    def _learn(self, start: Piece, head: bytes, speech: Speech) -> Target | None:
        """What stands before VALUES, None where that is not all there is to it."""
        tokens = Tokens(start, speech)
        try:
            target, defaults = _target(tokens, self._columns)
        except OperationFailed:
            return None
        if defaults or tokens.peek() != END or len(self._heads) == _MOST_HEADS:
            return None
        self._heads[head] = target
        return target


def _plain_row(text: str, here: int, columns: tuple[str, ...]) -> tuple[Row, int] | None:
    """A row between parentheses and where it ends; None when it holds something else, or not as many values."""
    match = _OPENS.match(text, here)
    if match is None:
        return None
    values: list[str | None] = []
    while match := _PLAIN.match(text, match.end()):
        quoted, number, word, sign = match.groups()
        if quoted is not None:
            values.append(quoted.replace("''", "'") if "''" in quoted else quoted)
        else:
            values.append(number if number is not None else _WORDS[word])
        if sign == ")":
            return (dict(zip(columns, values, strict=True)), match.end()) if len(values) == len(columns) else None
    return None


def _inserted(statement: Piece, speech: Speech, known: Columns) -> Iterator[tuple[Target, Row]]:
    """Token by token."""
    tokens = Tokens(statement, speech)
    target, defaults = _target(tokens, known)
    if defaults:
        tokens.expect(";")
        yield target, {}
        return
    yield target, _values(tokens, target, statement.line)
    while tokens.skip(","):
        yield target, _values(tokens, target, statement.line)
    if tokens.skip("ON"):
        tokens.expect("CONFLICT", "DO", "NOTHING")
    tokens.expect(";")


def _target(tokens: Tokens, known: Columns) -> tuple[Target, bool]:
    """Everything up to VALUES, and whether that is DEFAULT VALUES."""
    tokens.expect("INSERT", "INTO")
    schema, table = tokens.qualified()
    columns = tokens.names() if tokens.sees("(") else known(schema, table)
    if tokens.skip("OVERRIDING"):
        if not tokens.skip("SYSTEM", "USER"):
            raise tokens.unexpected()
        tokens.expect("VALUE")
    defaults = tokens.skip("DEFAULT")
    tokens.expect("VALUES")
    return Target(schema, table, columns), defaults


def _values(tokens: Tokens, target: Target, line: int) -> Row:
    """One row between parentheses; a column that says DEFAULT (a generated one) is absent."""
    tokens.expect("(")
    cells = [_value(tokens)]
    while tokens.skip(","):
        cells.append(_value(tokens))
    tokens.expect(")")
    if target.columns is None:
        raise unreadable(f"The INSERT on line {line} does not name the columns of {target.table}.", _ADVICE)
    if len(cells) != len(target.columns):
        counts = f"{len(cells)} values for {len(target.columns)} columns"
        raise unreadable(f"The INSERT on line {line} has {counts}.", _ADVICE)
    return {name: cell[0] for name, cell in zip(target.columns, cells, strict=True) if cell}


def _value(tokens: Tokens) -> tuple[str | None] | tuple[()]:
    """A constant as a text or NULL, () for DEFAULT. Whatever would have to be computed is refused."""
    kind, text = tokens.peek()
    if kind == "word" and text.upper() in _CONSTANTS:
        tokens.take()
        return (_CONSTANTS[text.upper()],)
    if tokens.skip("DEFAULT"):
        return ()
    if kind == "text" and (bits := _BITS.fullmatch(text)):
        tokens.take()
        return (bits[1],)
    if kind in {"text", "escaped"}:
        value = tokens.text()
        _skip_cast(tokens)
        return (value,)
    sign = "-" if tokens.skip("-") else ""
    if tokens.peek()[0] != "number":
        raise tokens.unexpected()
    return (sign + tokens.take()[1],)


def _skip_cast(tokens: Tokens) -> None:
    if tokens.skip(":"):
        tokens.expect(":")
        tokens.qualified()
