"""Whether a text that somebody wrote is one SELECT, or one expression, which reads this database and nothing else.

What runs such a text gives it few rights in a session that cannot write; this is the second wall. It is an
allow-list: what is not known to stay within the database's own tables is refused, with the words that say what it was.
"""

from __future__ import annotations

from opsconsole.review import functions
from opsconsole.review.expressions import calls, nested_writes
from opsconsole.review.lexing import Dialect, Kind, Token, tokens
from opsconsole.review.reading import Reader, Unreadable

LONGEST = 8000  # characters
DEEPEST = 60  # parentheses in one another
_BEGINNINGS = frozenset({"SELECT", "WITH", "VALUES"})
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
_LOCKS = frozenset({"UPDATE", "NO", "SHARE", "KEY"})
# Known to the review, for they change nothing outside of the server; but they tell of it, or count on its sequences.
_BEYOND = functions.named("nextval currval lastval setseed current_setting")
_CATALOGUES = functions.named(
    "pg_catalog pg_attribute pg_class pg_constraint pg_depend pg_description pg_enum pg_index pg_indexes pg_inherits"
    " pg_matviews pg_namespace pg_proc pg_sequence pg_sequences pg_stat_all_tables pg_stat_user_indexes"
    " pg_stat_user_tables pg_statio_user_tables pg_tables pg_trigger pg_type pg_views"
)  # of PostgreSQL's own, those that hold neither values nor passwords nor what other sessions do


def why_no_select(text: str, dialect: Dialect) -> str:
    """Why a text is not one SELECT that only reads, as the end of a sentence that begins with "it"; "" when it is."""
    found = [*tokens(text, dialect)]
    if found and found[-1].text == ";":
        found.pop()
    if why := _why_unreadable(text, found, dialect):
        return why
    reader = Reader(found, dialect)
    if reader.next not in _BEGINNINGS:
        return "begins with something else than SELECT or WITH"
    return _why_not(reader)


def why_no_expression(text: str, dialect: Dialect) -> str:
    """Why a text is not one expression that only reads, in words like those of `why_no_select`; "" when it is."""
    found = [*tokens(text, dialect)]
    if why := _why_unreadable(text, found, dialect):
        return why
    reader = Reader(found, dialect)
    if reader.next in _BEGINNINGS:
        return "is a query, where an expression is wanted; a query of one value stands in parentheses"
    return _why_not(reader)


def _why_unreadable(text: str, found: list[Token], dialect: Dialect) -> str:
    if not found:
        return "is empty"
    if len(text) > LONGEST:
        return f"is longer than {LONGEST} characters"
    open_now: list[str] = []
    for token in found:
        if token.kind is Kind.BROKEN:
            return f"holds {token.text}"
        if token.kind is Kind.META:
            return f"holds {token.text.split()[0]}, a command to a client program"
        if why := _why_odd(token, dialect) or _nested(token, open_now):
            return why
    return "has a parenthesis that is never closed" if open_now else ""


def _why_odd(token: Token, dialect: Dialect) -> str:
    if token.kind is Kind.SIGN and token.text == ";":
        return "is more than one statement: it holds a semicolon"
    if token.kind is Kind.NUMBER and token.text[0] in "$?:@#":
        return f"holds {token.text}, a placeholder that nobody fills"
    if not dialect.is_sqlite and token.text[:2] in ("U&", "u&"):
        return "holds a text or a name with U&, whose letters may be others than they seem"
    return ""


def _nested(token: Token, open_now: list[str]) -> str:
    if token.kind is Kind.SIGN and token.text in "([":
        open_now.append(")" if token.text == "(" else "]")
        if len(open_now) > DEEPEST:
            return f"has more than {DEEPEST} parentheses in one another"
    elif token.kind is Kind.SIGN and token.text in ")]" and (not open_now or open_now.pop() != token.text):
        return f"closes a {token.text} that was never opened"
    return ""


def _why_not(reader: Reader) -> str:
    return _why_write(reader) or _why_call(reader) or _why_catalogue(reader)


def _why_write(reader: Reader) -> str:
    depth = 0
    for place, word in enumerate(reader.words):
        after = reader.words[place + 1] if place + 1 < len(reader.words) else ""
        depth += (word in "([") - (word in ")]")
        if word == "INTO":
            return "holds INTO, which makes or fills a table"
        if word == "FOR" and after in _LOCKS:
            return f"holds FOR {after}, which locks rows"
        if word in _WRITES and not depth and (not place or reader.words[place - 1] != "."):
            return f"holds {word}, which writes"
    for inner in nested_writes(reader):
        return f"holds {inner.next}, which writes"
    return ""


def _why_call(reader: Reader) -> str:
    known = functions.SQLITE if reader.dialect.is_sqlite else functions.POSTGRESQL
    try:
        for name, _ in calls(reader):
            plain = name.removeprefix("pg_catalog.")
            if plain not in known or plain in _BEYOND:
                return f"calls {name}(), which is not known to read this database and nothing else"
    except Unreadable:
        return "cannot be taken apart"
    return ""


def _why_catalogue(reader: Reader) -> str:
    """The server's own tables hold passwords, statistics of values, and what others do at this moment."""
    if reader.dialect.is_sqlite:
        return ""
    plain = [token.text.strip('"').lower() if token.kind in (Kind.WORD, Kind.NAME) else "" for token in reader.tokens]
    for place, name in enumerate(plain):
        of_a_table = place > 1 and reader.words[place - 1] == "." and plain[place - 2] != "pg_catalog"
        called = reader.words[place + 1 : place + 2] == ["("]  # judged as a function
        if name.startswith("pg_") and name not in _CATALOGUES and not of_a_table and not called:
            return f"holds {name}, which may reach beyond the tables of this database"
    return ""
