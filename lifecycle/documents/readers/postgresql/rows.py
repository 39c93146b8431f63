"""Rows out of COPY data and INSERT statements, as texts by column: what they mean, the target's types decide."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lifecycle.documents.base import Row
from lifecycle.documents.readers.postgresql.encodings import Encoding
from lifecycle.documents.readers.postgresql.tokens import Speech, Tokens
from lifecycle.documents.readers.refusals import unreadable
from lifecycle.documents.readers.text import Piece

NULL = "\\N"
_FIELD = re.compile(r"(?:[^\t\\]|\\.)*", re.DOTALL)
_CONSTANTS = {"NULL": None, "TRUE": "true", "FALSE": "false"}
_BITS = re.compile(r"[bB]'([01]*)'")
_ADVICE = "Dump the table with COPY (pg_dump without --inserts), or with --column-inserts."


@dataclass(frozen=True)
class Target:
    """Where a COPY or an INSERT puts rows; `columns` is None where the statement does not name them."""

    schema: str
    table: str
    columns: tuple[str, ...] | None


def copied(statement: Piece, speech: Speech) -> Target:
    """What `COPY table [(columns)] FROM stdin;` names. Every other COPY is refused."""
    tokens = Tokens(statement, speech)
    tokens.expect("COPY")
    schema, table = tokens.qualified()
    columns = tokens.names() if tokens.sees("(") else None
    tokens.expect("FROM")
    if not tokens.sees("STDIN"):
        raise unreadable(
            f"The COPY on line {statement.line} takes its rows from a file or a program.",
            "Such rows are not in the dump. Make it with pg_dump.",
        )
    tokens.expect("STDIN", ";")
    return Target(schema, table, columns)


def row_of(line: bytes, columns: tuple[str, ...], number: int, encoding: Encoding) -> Row:
    """One line of COPY data in the text format."""
    text = encoding.text(line, number)
    if "\r" in text:
        raise unreadable(f"Line {number} holds a bare carriage return, which COPY never writes.", _CHANGED)
    if "\\" not in text:
        cells: list[str | None] = list(text.split("\t")) if columns or text else []
    else:
        fields = _fields(text) if "\\\t" in text else text.split("\t")
        cells = [_cell(field, number, encoding) for field in fields]
    if len(cells) != len(columns):
        raise unreadable(f"Line {number} has {len(cells)} fields where COPY names {len(columns)}.", _CHANGED)
    return dict(zip(columns, cells, strict=True))


_CHANGED = "The file was changed or cut. Use another copy of it."


def _cell(field: str, number: int, encoding: Encoding) -> str | None:
    if field == NULL:
        return None
    return encoding.field(field, number) if "\\" in field else field


def _fields(text: str) -> list[str]:
    """Fields where a tab behind a backslash is part of one."""
    fields, here = [], 0
    while match := _FIELD.match(text, here):
        fields.append(match[0])
        here = match.end() + 1
        if here > len(text):
            break
    return fields


def inserted(
    statement: Piece, speech: Speech, known: Callable[[str, str], tuple[str, ...] | None]
) -> Iterator[tuple[Target, Row]]:
    """The rows of `INSERT INTO table [(columns)] VALUES (...), (...)`; `known` tells columns of a table."""
    tokens = Tokens(statement, speech)
    tokens.expect("INSERT", "INTO")
    schema, table = tokens.qualified()
    columns = tokens.names() if tokens.sees("(") else known(schema, table)
    target = Target(schema, table, columns)
    if tokens.skip("DEFAULT"):
        tokens.expect("VALUES", ";")
        yield target, {}
        return
    if tokens.skip("OVERRIDING"):
        if not tokens.skip("SYSTEM", "USER"):
            raise tokens.unexpected()
        tokens.expect("VALUE")
    tokens.expect("VALUES")
    yield target, _values(tokens, target, statement.line)
    while tokens.skip(","):
        yield target, _values(tokens, target, statement.line)
    if tokens.skip("ON"):
        tokens.expect("CONFLICT", "DO", "NOTHING")
    tokens.expect(";")


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
