"""What expressions may do: functions that are called, writes in parentheses, conditions that are always true."""

from __future__ import annotations

from collections.abc import Iterator

from opsconsole.review import functions, settings
from opsconsole.review.context import Context
from opsconsole.review.lexing import Kind, Token
from opsconsole.review.reading import NUMBER, STRING, Reader

_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"})
_QUERY = frozenset({"SELECT", "WITH", "VALUES", "TABLE"}) | _WRITES
_COMPARE = frozenset({"=", "<", ">", "!", "~", "IS"})
_NO_NAMES = frozenset({"TRUE", "FALSE", "NULL", "NOT", "AND", "OR", "IS", "IN", "LIKE", "BETWEEN"})
_EQUAL = (["="], ["=", "="], ["IS"], ["<", "="], [">", "="])
_VALUES = frozenset({STRING, NUMBER, "TRUE"})


def calls(reader: Reader) -> Iterator[tuple[str, Token]]:
    """Every function that is called, by the name as it is written, schema included."""
    words, tokens = reader.words, reader.tokens
    for place in range(1, len(words)):
        if words[place] != "(" or tokens[place - 1].kind not in (Kind.WORD, Kind.NAME):
            continue
        if words[place - 1] in functions.NO_CALL and (place < 2 or words[place - 2] != "."):
            continue
        first = place - 1
        while first > 1 and words[first - 1] == ".":
            first -= 2
        before = words[first - 1] if first else ""
        if before in ("AS", ")", "INTO") or _is_table_expression(reader, place):
            continue
        yield "".join(_plain(token) for token in tokens[first:place]), tokens[first]


def check_calls(context: Context, reader: Reader) -> None:
    """A finding for each function that is not known to be harmless, once a name."""
    told = set()
    for name, token in calls(reader):
        if name.removeprefix("pg_catalog.") == "set_config" and not context.dialect.is_sqlite:
            _set_config(context, reader, token)
        elif name not in told and not _is_harmless(context, name):
            told.add(name)
            context.add(*_judged(name), token)


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


def is_always_true(context: Context, table: str, where: Reader, statement: Reader) -> bool:
    """Whether a WHERE lets every row through; `statement` is the whole, for a second opinion where one helps."""
    words = where.words
    if _is_of_required_column(context, table, where) or _likes_everything(where):
        return True
    if len(words) > 2 and where.tokens[0].text == where.tokens[-1].text and words[1:-1] in _EQUAL:
        return True
    names = any(token.kind is Kind.NAME or _is_name(word) for word, token in zip(words, where.tokens, strict=True))
    if names and not {"OR", "NOT", "EXISTS", "TRUE", "CASE"} & set(words) and not _compares_values(words):
        return False
    return context.second.of(statement).always or words in (["TRUE"], [NUMBER])


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


def _plain(token: Token) -> str:
    return token.text[1:-1] if token.kind is Kind.NAME else token.text.lower()


def _is_table_expression(reader: Reader, place: int) -> bool:
    """Whether a name and a group are `name (columns) AS (query)` of a WITH."""
    end = reader.closing(place)
    following = [word for word in reader.words[end + 1 : end + 6] if word not in ("NOT", "MATERIALIZED")]
    return following[:2] == ["AS", "("] and following[2:3] != [] and following[2] in _QUERY


def _is_name(word: str) -> bool:
    return word[:1].isalpha() and word not in _NO_NAMES


def _is_of_required_column(context: Context, table: str, where: Reader) -> bool:
    if where.words[-3:] != ["IS", "NOT", "NULL"] or len(where.words) not in (4, 6):
        return False
    relation, column = context.live.relation(table), _plain(where.tokens[-4])
    if relation is None:
        return False
    required = {field.name for field in relation.fields if not field.nullable}
    primary = {name for key in relation.keys if key.primary for name in key.columns}
    return column in required | primary


def _likes_everything(where: Reader) -> bool:
    """`column LIKE '%'`, which lets through whatever is not NULL."""
    like = where.words[-2:-1] in (["LIKE"], ["ILIKE"], ["GLOB"]) and len(where.words) in (3, 5)
    return like and where.tokens[-1].text.strip("'") in ("%", "%%", "*")


def _compares_values(words: list[str]) -> bool:
    """Whether values, or equal names, stand on both sides of a comparison."""
    for place in range(1, len(words) - 1):
        if words[place] not in _COMPARE:
            continue
        after = words[place + 1]
        if after in _COMPARE and place + 2 < len(words):
            after = words[place + 2]
        before = words[place - 1]
        if (before in _VALUES and after in _VALUES) or before == after:
            return True
    return False
