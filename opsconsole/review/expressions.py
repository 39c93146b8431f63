"""What expressions may do: functions that are called, and writes in parentheses."""

from __future__ import annotations

from collections.abc import Iterator

from opsconsole.review import functions, settings
from opsconsole.review.context import Context
from opsconsole.review.lexing import Kind, Token
from opsconsole.review.reading import Reader

# Where an expression inside a definition ends.
STOPS = (
    "NOT",
    "NULL",
    "DEFAULT",
    "PRIMARY",
    "UNIQUE",
    "REFERENCES",
    "CHECK",
    "CONSTRAINT",
    "GENERATED",
    "COLLATE",
    "AS",
)
_NO_CALL_AFTER = ("AS", ")", "INTO", "TABLESAMPLE")  # an alias with columns, a table
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"})
_QUERY = frozenset({"SELECT", "WITH", "TABLE"})
_QUERY_PAIRS = frozenset(
    {("VALUES", "("), ("INSERT", "INTO"), ("INSERT", "OR"), ("REPLACE", "INTO"), ("DELETE", "FROM"), ("MERGE", "INTO")}
)  # the first of each may also be the name of a column, behind which its type stands


def calls(reader: Reader) -> Iterator[tuple[str, Token]]:
    """Every function that is called, by the name as it is written, schema included."""
    words, tokens = reader.words, reader.tokens
    for place in range(1, len(words)):
        if words[place] != "(" or tokens[place - 1].kind not in (Kind.WORD, Kind.NAME):
            continue
        first = place - 1
        while first > 1 and words[first - 1] == ".":
            first -= 2
        before = words[first - 1] if first else ""
        is_type = words[max(first - 2, 0) : first] == [":", ":"]
        if (
            before in _NO_CALL_AFTER
            or is_type
            or _is_keyword(words[first], before)
            or _is_table_expression(reader, place)
        ):
            continue
        yield "".join(_plain(token) for token in tokens[first:place]), tokens[first]


def check_calls(context: Context, reader: Reader) -> None:
    """A finding for each function that is not known to be harmless, once a name."""
    told = set()
    for name, token in (*calls(reader), *_called_as_columns(context, reader)):
        if name.removeprefix("pg_catalog.") == "set_config" and not context.dialect.is_sqlite:
            _set_config(context, reader, token)
        elif name not in told and not _is_harmless(context, name):
            told.add(name)
            context.add(*_judged(name), token)


def check_definition(context: Context, definition: Reader) -> None:
    """The expressions of a definition (checks, defaults, generated columns), which every later write works out."""
    while not definition.done:
        if definition.take_one("CHECK", "AS"):
            if definition.next == "(":
                check_calls(context, definition.group())
        elif definition.take("DEFAULT"):
            check_calls(context, definition.until(*STOPS, ","))
        elif definition.take("USING") and not definition.take("INDEX"):
            definition.skip()
            check_calls(context, definition.group())
        else:
            definition.skip()


def _called_as_columns(context: Context, reader: Reader) -> list[tuple[str, Token]]:
    """`row.function`, which PostgreSQL takes for `function(row)`: only those that the text itself makes."""
    if not context.functions:
        return []
    found = zip(reader.words, reader.tokens[1:], strict=False)
    return [(_plain(token), token) for dot, token in found if dot == "." and _plain(token) in context.functions]


def is_volatile(context: Context, reader: Reader) -> bool:
    """Whether a default may differ from row to row."""
    return any(name.removeprefix("pg_catalog.") not in functions.STABLE for name, _ in calls(reader))


def nested_writes(reader: Reader) -> Iterator[Reader]:
    """Statements that write, inside parentheses, the outer ones: PostgreSQL runs them in WITH."""
    words, past = reader.words, 0
    for place in range(1, len(words) - 1):
        # REPLACE and a parenthesis are the function of that name.
        if place >= past and words[place] in _WRITES and words[place - 1] == "(" and words[place + 1] != "(":
            past = reader.closing(place - 1)
            yield reader.part(place, past)


def _set_config(context: Context, reader: Reader, token: Token) -> None:
    """set_config('name', 'value', ...): as harmless as SET, when both are plain."""
    place = reader.tokens.index(token)
    given = [item.text for item in reader.tokens[reader.words.index("(", place) + 1 :][:3]]
    if len(given) == 3 and given[0].startswith("'") and given[1] == "," and given[2].startswith("'"):
        settings.change(context, given[0].strip("'").lower(), given[2], token)
    else:
        context.add("setting", "", "Changes a setting that is not named plainly.", token)


def _is_harmless(context: Context, name: str) -> bool:
    known = functions.SQLITE if context.dialect.is_sqlite else functions.POSTGRESQL
    plain = name.removeprefix("pg_catalog.")
    return plain in known and plain not in context.functions


def _judged(name: str) -> tuple[str, str, str]:
    bare = name.rpartition(".")[2]
    if bare == "setval":
        return "restart-sequence", "", "Sets a sequence to another number."
    if bare == "lo_unlink":
        return "lo-unlink", "", "Removes a large object."
    if bare == "load_extension":
        return "load-extension", "", "Loads code from a file."
    return "function-call", name, f"Calls {name}(), which is not known to be harmless."


def _is_keyword(word: str, before: str) -> bool:
    """Whether a word before a parenthesis is no function, given the word before it."""
    if word in functions.RESERVED or (before, word) in functions.PAIRS:
        return True
    return word in functions.UNRESERVED and before not in functions.BEGINNING and before != ""


def _plain(token: Token) -> str:
    return token.text[1:-1] if token.kind is Kind.NAME else token.text.lower()


def _is_table_expression(reader: Reader, place: int) -> bool:
    """Whether a name and a group are `name (columns) AS (query)` of a WITH."""
    end = reader.closing(place)
    opening = end + 1
    while reader.words[opening : opening + 1] in (["AS"], ["NOT"], ["MATERIALIZED"]):
        opening += 1
    return (
        reader.words[end + 1 : end + 2] == ["AS"]
        and reader.words[opening : opening + 1] == ["("]
        and _is_query(reader.part(opening + 1, reader.closing(opening)))
    )


def _is_query(inner: Reader) -> bool:
    """Whether a group holds a query, and not columns with their types, of which one may be called VALUES."""
    first, second = [*inner.words[:2], "", ""][:2]
    if first == "UPDATE":
        return "SET" in inner.until(",").words[2:]
    return first in _QUERY or (first, second) in _QUERY_PAIRS
