"""What CREATE TABLE says of a table's columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lifecycle.documents.readers.postgresql.tokens import END, Speech, Tokens
from lifecycle.documents.readers.text import Piece

_CONSTRAINTS = ("CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "FOREIGN", "LIKE")
_BEHIND_A_TYPE = (
    "DEFAULT", "NOT", "NULL", "GENERATED", "COLLATE", "CONSTRAINT", "STORAGE", "COMPRESSION", "CHECK", "PRIMARY",
    "UNIQUE", "REFERENCES", "OPTIONS",
)  # fmt: skip


@dataclass(frozen=True)
class Defined:
    """A table: its own columns with their types, in order. `parents` hold columns that come before them."""

    schema: str
    table: str
    types: Mapping[str, str]
    parents: tuple[tuple[str, str], ...] = ()
    holds_rows: bool = True  # a partitioned table does not, its partitions do
    complete: bool = True  # False for a table OF a type, whose columns are elsewhere


def defined(statement: Piece, speech: Speech) -> Defined:
    """Raises OperationFailed("unreadable") for CREATE TABLE ... AS, which would run something, and what is no table."""
    tokens = Tokens(statement, speech)
    tokens.expect("CREATE")
    tokens.skip("UNLOGGED")
    tokens.expect("TABLE")
    if tokens.skip("IF"):
        tokens.expect("NOT", "EXISTS")
    schema, table = tokens.qualified()
    typed = tokens.skip("OF")
    if typed:
        tokens.qualified()
    types = _columns(tokens) if tokens.skip("(") else {}
    parents: tuple[tuple[str, str], ...] = ()
    while not tokens.sees(";"):
        if tokens.skip("PARTITION"):
            return Defined(schema, table, types, holds_rows=not tokens.sees("BY"), complete=tokens.sees("BY"))
        if tokens.skip("INHERITS"):
            parents = _parents(tokens)
        elif tokens.sees("AS") or tokens.peek() == END:
            raise tokens.unexpected()
        else:
            tokens.take()
    return Defined(schema, table, types, parents, complete=not typed)


def _parents(tokens: Tokens) -> tuple[tuple[str, str], ...]:
    tokens.expect("(")
    parents = [tokens.qualified()]
    while tokens.skip(","):
        parents.append(tokens.qualified())
    tokens.expect(")")
    return tuple(parents)


def _columns(tokens: Tokens) -> dict[str, str]:
    """Columns up to the closing parenthesis; constraints of the table among them are passed over."""
    types: dict[str, str] = {}
    while not tokens.skip(")"):
        if tokens.peek() == END:
            raise tokens.unexpected()
        if not tokens.sees(*_CONSTRAINTS):
            name = tokens.name()
            types[name] = _type(tokens)
        _pass_to_the_next(tokens)
    return types


def _type(tokens: Tokens) -> str:
    """The type as written, up to what can only stand behind one."""
    text, depth = "", 0
    while tokens.peek() != END:
        if not depth and not text.endswith(".") and tokens.sees(",", ")", *_BEHIND_A_TYPE):
            break
        kind, part = tokens.take()
        depth += (part == "(") - (part == ")")
        close = not text or kind == "sign" or text[-1] in ".(,["
        text += part if close else f" {part}"
    return text


def _pass_to_the_next(tokens: Tokens) -> None:
    depth = 0
    while tokens.peek() != END and not (depth == 0 and tokens.sees(",", ")")):
        part = tokens.take()
        if part[0] == "sign":
            depth += (part[1] == "(") - (part[1] == ")")
    tokens.skip(",")
