"""Conditions that let every row through, whatever they look like."""

from __future__ import annotations

from opsconsole.review import functions
from opsconsole.review.context import Context
from opsconsole.review.lexing import Kind
from opsconsole.review.reading import NUMBER, STRING, Reader

_KEYWORDS = (
    functions.RESERVED
    | functions.UNRESERVED
    | functions.named("TRUE FALSE NULL CURRENT_USER SESSION_USER USER CURRENT_ROLE CURRENT_CATALOG CURRENT_SCHEMA")
    | functions.named("CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP LOCALTIME LOCALTIMESTAMP")
)
_VALUES = frozenset({STRING, NUMBER, "TRUE", "NULL"})
_COMPARE = frozenset({"=", "<", ">", "!", "~", "IS"})
_EQUAL = (["="], ["=", "="], ["IS"], ["<", "="], [">", "="])


def is_always_true(context: Context, table: str, where: Reader, statement: Reader) -> bool:
    """Whether a WHERE lets every row through; `statement` is the whole, for a second opinion where one helps."""
    if _always(context, table, where):
        return True
    return _needs_second_opinion(where) and context.second.of(statement).always


def looks_at_rows(where: Reader, names: frozenset[str]) -> bool:
    """Whether a WHERE depends on the rows that are changed, which bear one of these names.

    A bare name may be anybody's, where other tables are joined or inside a query: it counts as ours.
    """
    depth, query = 0, 0  # of parentheses, and the depth at which the outermost query inside began
    bare_inside = False
    for place, token in enumerate(where.tokens):
        word = where.words[place]
        depth += (word in "([") - (word in ")]")
        query = 0 if depth < query else query
        if word == "SELECT" and not query:
            query = depth
        if token.kind not in (Kind.WORD, Kind.NAME) or word in _KEYWORDS:
            continue
        before, after = where.words[place - 1] if place else "", where.words[place + 1 : place + 2]
        if before == ":" or after == [STRING] or (word == "AT" and after == ["TIME"]):  # a type, a zone
            continue
        if after == ["."]:
            if token.text.strip('"`[]').lower() in names:
                return True
        elif before != "." and after != ["("] and before not in ("FROM", "JOIN", "AS"):
            if not query:
                return True
            bare_inside = True
    return bare_inside


def _always(context: Context, table: str, where: Reader) -> bool:
    """OR of anything that always is, AND of nothing that is not; the rest are patterns that people write."""
    where.place = 0
    choices = _cut(where, "OR")
    if len(choices) > 1:
        return any(_always(context, table, part) for part in choices)
    parts = _cut(where, "AND") if "BETWEEN" not in where.words else [where]
    if len(parts) > 1:
        return all(_always(context, table, part) for part in parts)
    words = where.words
    if words[:1] == ["("] and where.closing(0) == len(words) - 1:
        return _always(context, table, where.part(1, len(words) - 1))
    return (
        words == ["TRUE"]
        or (words == [NUMBER] and where.tokens[0].text.strip("0._") != "")
        or words == ["NOT", "FALSE"]
        or _is_equal(where)
        or _likes_everything(where)
        or _is_of_required_column(context, table, where)
        or _is_in_itself(table, where)
        or _is_any_number(context, table, where)
        or (words[:3] == ["EXISTS", "(", "SELECT"] and not {"FROM", "WHERE", "LIMIT", "HAVING"} & set(words))
    )


def _cut(where: Reader, word: str) -> list[Reader]:
    where.place = 0
    parts = [where.until(word)]
    while where.take(word):
        parts.append(where.until(word))
    return parts


def _is_equal(where: Reader) -> bool:
    texts = [token.text for token in where.tokens]
    for middle in _EQUAL:
        side = (len(texts) - len(middle)) // 2
        if side and texts[:side] == texts[len(texts) - side :] and where.words[side:-side] == middle:
            return True
    return False


def _likes_everything(where: Reader) -> bool:
    """`column LIKE '%'`, which lets through whatever is not NULL."""
    like = where.words[-2:-1] in (["LIKE"], ["ILIKE"], ["GLOB"]) and len(where.words) in (3, 5)
    return like and where.tokens[-1].text.strip("'") in ("%", "%%", "*")


def _is_of_required_column(context: Context, table: str, where: Reader) -> bool:
    if where.words[-3:] != ["IS", "NOT", "NULL"] or len(where.words) not in (4, 6):
        return False
    relation, column = context.live.relation(table), where.tokens[-4].text.strip('"`[]')
    if relation is None:
        return False
    required = {field.name for field in relation.fields if not field.nullable}
    primary = {name for key in relation.keys if key.primary for name in key.columns}
    return column in required | primary


def _is_in_itself(table: str, where: Reader) -> bool:
    """`id IN (SELECT id FROM the_same_table)`."""
    words = where.words
    if words[1:4] != ["IN", "(", "SELECT"] or words[0] != words[4] or words[5:6] != ["FROM"]:
        return False
    source = where.part(6, len(words) - 1)
    return source.name() == table and source.done


def _is_any_number(context: Context, table: str, where: Reader) -> bool:
    """`id > 0`: numbered keys begin at one."""
    if where.words not in (["ID", ">", NUMBER], ["ID", ">", "=", NUMBER], ["ID", ">", "-", NUMBER]):
        relation = context.live.relation(table)
        keys = {key.columns for key in relation.keys if key.primary} if relation else set()
        if where.words[1:2] != [">"] or where.words[-1:] != [NUMBER] or (where.tokens[0].text.lower(),) not in keys:
            return False
    return where.words[-2] == "-" or where.tokens[-1].text in ("0", "1")


def _needs_second_opinion(where: Reader) -> bool:
    """Whether values are compared with one another, or a word stands there that turns things round."""
    words = where.words
    if {"NOT", "CASE", "TRUE"} & set(words):
        return True
    for place in range(1, len(words) - 1):
        after = words[place + 1]
        if after in _COMPARE and place + 2 < len(words):
            after = words[place + 2]
        if words[place] in _COMPARE and words[place - 1] in _VALUES and after in _VALUES:
            return True
    return False
