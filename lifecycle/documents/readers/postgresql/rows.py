"""Rows out of COPY data, as texts by column: what they mean, the target's types decide."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lifecycle.documents.base import Row
from lifecycle.documents.readers.postgresql.encodings import Encoding
from lifecycle.documents.readers.postgresql.tokens import Speech, Tokens
from lifecycle.documents.readers.refusals import unreadable
from lifecycle.documents.readers.text import Piece

NULL = "\\N"
_FIELD = re.compile(r"(?:[^\t\\]|\\.)*", re.DOTALL)
_CHANGED = "The file was changed or cut. Use another copy of it."


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
