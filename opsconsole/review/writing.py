"""Statements that read and write rows, in both databases: SELECT, INSERT, UPDATE, DELETE, MERGE and WITH."""

from __future__ import annotations

from collections.abc import Callable

from opsconsole.review.context import Context
from opsconsole.review.expressions import check_calls, nested_writes
from opsconsole.review.lexing import Token
from opsconsole.review.reading import Reader, Unreadable
from opsconsole.review.row_changes import Change, judge, tried_on, written

_CONFLICTS = ("REPLACE", "IGNORE", "ABORT", "FAIL", "ROLLBACK")


def query(context: Context, reader: Reader) -> None:
    """SELECT, VALUES or TABLE: harmless when every function in it is, and no other reading finds a write."""
    whole = _whole(reader)
    check_calls(context, whole)
    _nested(context, whole)
    if "SELECT" in whole.words or "TABLE" in whole.words:
        _ask_again(context, whole, expected=frozenset({"into"}))


def with_(context: Context, reader: Reader) -> None:
    """WITH name AS (...), ... and the statement that follows."""
    whole = _whole(reader)
    reader.need("WITH")
    reader.take("RECURSIVE")
    while True:
        reader.name()
        if reader.next == "(":
            reader.group()
        reader.need("AS")
        reader.take("NOT")
        reader.take("MATERIALIZED")
        reader.group()
        while reader.take_one("SEARCH", "CYCLE"):
            reader.until(",", "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE")
        if not reader.take(","):
            break
    _nested(context, whole)
    write = WRITES.get(reader.next)
    if write is None:
        check_calls(context, whole)
        _ask_again(context, whole, expected=_nested_kinds(whole))
        reader.rest()
    else:
        write(context, reader, whole)


def insert(context: Context, reader: Reader, whole: Reader | None = None) -> None:
    """INSERT, with what it does about rows that are there; REPLACE of SQLite."""
    whole = whole or _whole(reader)
    first = reader.skip()
    replaces = first.text.upper() == "REPLACE" or _or_replace(reader)
    reader.need("INTO")
    table = reader.name()
    body = reader.rest()
    check_calls(context, whole)
    if replaces or table in context.replacing:
        _replace(context, table, first)
    if _has(body.words, "DO", "UPDATE") and not context.is_own(table):
        reason = f"Changes rows of {table} that have the same key.{tried_on(context)}"
        context.add("upsert", table, reason, first)
    written(context, table, "INSERT", first)
    # To sqlglot, REPLACE is a command that it does not read, and OVERRIDING ... VALUE nothing at all.
    _ask_again(
        context,
        _without(whole, "OVERRIDING", 3),
        expected=_nested_kinds(whole) | {"insert", "command" if replaces else "insert"},
    )
    if "SELECT" in body.words or whole.words[0] == "WITH":
        context.event("copy", table, first, copy=whole)
    _nested(context, body)


def update(context: Context, reader: Reader, whole: Reader | None = None, rule: str = "") -> None:
    """UPDATE; `rule` is the one to name when it stands inside WITH."""
    whole = whole or _whole(reader)
    first = reader.skip()
    replaces = _or_replace(reader)
    reader.take("ONLY")
    table, names = _target(reader, "SET")
    reader.need("SET")
    assigned = reader.until("FROM", "WHERE", "RETURNING", "ORDER", "LIMIT")
    where = _where(reader)
    if replaces or table in context.replacing:
        _replace(context, table, first)
    _change(context, Change("update", table, names, where, whole, first, _assigned(assigned)), rule)


def delete(context: Context, reader: Reader, whole: Reader | None = None, rule: str = "") -> None:
    """DELETE, with the rows of other tables that go as well; `rule` is the one to name inside WITH."""
    whole = whole or _whole(reader)
    first = reader.skip()
    reader.need("FROM")
    reader.take("ONLY")
    table, names = _target(reader, "USING", "WHERE", "RETURNING", "ORDER", "LIMIT")
    where = _where(reader)
    _change(context, Change("delete", table, names, where, whole, first), rule)
    children = context.children(table)
    if children and not context.is_own(table):
        context.add("delete-cascades", table, f"Rows of other tables go with those of {table}: {children}.", first)


def merge(context: Context, reader: Reader, whole: Reader | None = None) -> None:
    """MERGE, which may do all three."""
    whole = whole or _whole(reader)
    first = reader.skip()
    reader.need("INTO")
    reader.take("ONLY")
    table = reader.name()
    body = reader.rest()
    check_calls(context, whole)
    _ask_again(context, whole, expected=_nested_kinds(whole) | {"merge", "insert", "update", "delete"})
    if _has(body.words, "THEN", "DELETE"):
        context.add("merge-delete", table, f"Deletes rows of {table} that match.", first)
    elif _has(body.words, "THEN", "UPDATE"):
        context.add("merge", table, f"Changes rows of {table} that match.{tried_on(context)}", first)
    context.event("write", table, first)
    for event in ("INSERT", "UPDATE", "DELETE"):
        written(context, table, event, first)
    _nested(context, body)


WRITES: dict[str, Callable[[Context, Reader, Reader], None]] = {
    "INSERT": insert,
    "REPLACE": insert,
    "UPDATE": update,
    "DELETE": delete,
    "MERGE": merge,
}


def _change(context: Context, change: Change, rule: str) -> None:
    whole = change.whole
    check_calls(context, whole)
    _nested(context, whole.part(1, len(whole.words)))
    if {"SELECT", "FROM", "USING"} & set(whole.words[2:]) or whole.words[0] == "WITH":
        _ask_again(context, whole, expected=_nested_kinds(whole) | {change.verb})
    context.event("write", change.table, change.token)
    written(context, change.table, change.verb.upper(), change.token)
    judge(context, change, rule)


def _or_replace(reader: Reader) -> bool:
    """Move past OR and what SQLite does on a conflict; whether that is REPLACE."""
    return reader.take("OR") and reader.take_one(*_CONFLICTS) == "REPLACE"


def _where(reader: Reader) -> Reader | None:
    """The condition of the outer WHERE, moving past it; None when there is none."""
    reader.until("WHERE")
    if not reader.take("WHERE"):
        return None
    return reader.until("RETURNING", "ORDER", "LIMIT")


def _target(reader: Reader, *stops: str) -> tuple[str, frozenset[str]]:
    """The table that is changed, and the names by which its columns may be called."""
    table = reader.name()
    reader.take("*")
    alias = [word for word in reader.until(*stops).tokens[-2:] if word.text.upper() not in ("AS", "NOT", "INDEXED")]
    return table, frozenset({table.rpartition(".")[2].lower()} | {token.text.strip('"`[]').lower() for token in alias})


def _assigned(reader: Reader) -> tuple[str, ...]:
    """The columns that SET names."""
    names: list[str] = []
    for part in reader.listed():
        names += (part.group().names() if part.next == "(" else [part.name()]) if not part.done else []
    return tuple(names)


def _replace(context: Context, table: str, token: Token) -> None:
    if context.is_own(table):
        return
    children = context.children(table)
    also = f" Rows of other tables go with them: {children}." if children else ""
    context.add("replace-row", table, f"Deletes rows of {table} that are in the way.{also}", token)


def _nested(context: Context, reader: Reader) -> None:
    """Judge statements in parentheses that write."""
    for inner in nested_writes(reader):
        match inner.next:
            case "DELETE":
                delete(context, inner, rule="cte-delete")
            case "UPDATE":
                update(context, inner, rule="cte-update")
            case _:
                WRITES[inner.next](context, inner, _whole(inner))


def _nested_kinds(reader: Reader) -> frozenset[str]:
    return frozenset(inner.next.lower() for inner in nested_writes(reader)) | {"into"}


def _ask_again(context: Context, whole: Reader, expected: frozenset[str]) -> None:
    """Raises Unreadable when sqlglot cannot read it either; what it sees beyond the expected becomes a finding."""
    opinion = context.second.of(whole)
    if not opinion.readable:
        raise Unreadable
    unforeseen = opinion.writes - expected
    if unforeseen:
        context.add("unrecognised", "", f"Another reading finds {', '.join(sorted(unforeseen))} in it.")


def _whole(reader: Reader) -> Reader:
    return reader.part(reader.place, len(reader.words))


def _without(reader: Reader, word: str, length: int) -> Reader:
    """The same without so many words from this one on."""
    if word not in reader.words:
        return reader
    place = reader.words.index(word)
    return Reader([*reader.tokens[:place], *reader.tokens[place + length :]], reader.dialect)


def _has(words: list[str], *pair: str) -> bool:
    return any(words[place : place + len(pair)] == list(pair) for place in range(len(words)))
