"""Statements that read and write rows, in both databases: SELECT, INSERT, UPDATE, DELETE, MERGE and WITH."""

from __future__ import annotations

from collections.abc import Callable

from opsconsole.review.context import Context, number_in_words, rows_in_words
from opsconsole.review.expressions import check_calls, is_always_true, nested_writes
from opsconsole.review.findings import Severity
from opsconsole.review.lexing import Token
from opsconsole.review.reading import NUMBER, STRING, Reader, Unreadable

FEW_ROWS = 10  # so many may always be named in a WHERE
SHARE = 10  # per cent of a table's rows, above which a statement is destructive


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
    replaces = first.text.upper() == "REPLACE"
    if reader.take("OR"):
        way = reader.take_one("REPLACE", "IGNORE", "ABORT", "FAIL", "ROLLBACK")
        replaces = replaces or way == "REPLACE"
    reader.need("INTO")
    table = reader.name()
    body = reader.rest()
    check_calls(context, Reader(whole.tokens, whole.dialect) if whole.words[0] == "WITH" else _after_columns(body))
    if replaces and table not in context.own:
        _replace(context, table, first)
    if _has(body.words, "DO", "UPDATE") and table not in context.own:
        context.add("upsert", table, f"Changes rows of {table} that have the same key.", first)
    _triggers(context, table, "INSERT")
    if "SELECT" in body.words or "WITH" in body.words:
        nested = _nested_kinds(whole) | {"insert"}
        _ask_again(context, whole, expected=frozenset(nested))
        context.event("copy", table, first, copy=whole)
    _nested(context, body)


def update(context: Context, reader: Reader, whole: Reader | None = None, rule: str = "") -> None:
    whole = whole or _whole(reader)
    first = reader.skip()
    if reader.take("OR") and reader.take_one("REPLACE", "IGNORE", "ABORT", "FAIL", "ROLLBACK") == "REPLACE":
        _replace(context, _peek_table(reader), first)
    reader.take("ONLY")
    table = _target(reader)
    reader.until("SET")
    reader.need("SET")
    assigned = reader.until("FROM", "WHERE", "RETURNING", "ORDER", "LIMIT")
    where = _where(reader)
    _rows(context, "update", table, where, whole, first, rule, _assigned(assigned))


def delete(context: Context, reader: Reader, whole: Reader | None = None, rule: str = "") -> None:
    whole = whole or _whole(reader)
    first = reader.skip()
    reader.need("FROM")
    reader.take("ONLY")
    table = _target(reader)
    where = _where(reader)
    _rows(context, "delete", table, where, whole, first, rule, ())
    children = context.children(table)
    if children and table not in context.own:
        context.add("delete-cascades", table, f"Rows of other tables go with those of {table}: {children}.", first)


def merge(context: Context, reader: Reader, whole: Reader | None = None) -> None:
    whole = whole or _whole(reader)
    first = reader.skip()
    reader.need("INTO")
    reader.take("ONLY")
    table = reader.name()
    body = reader.rest()
    check_calls(context, whole)
    _ask_again(context, whole, expected=frozenset({"merge", "insert", "update", "delete"}))
    if _has(body.words, "THEN", "DELETE"):
        context.add("merge-delete", table, f"Deletes rows of {table} that match.", first)
    elif _has(body.words, "THEN", "UPDATE"):
        context.add("merge", table, f"Changes rows of {table} that match.", first)
    context.event("write", table, first)
    _triggers(context, table, "UPDATE")
    _nested(context, body)


WRITES: dict[str, Callable[[Context, Reader, Reader], None]] = {
    "INSERT": insert,
    "REPLACE": insert,
    "UPDATE": update,
    "DELETE": delete,
    "MERGE": merge,
}


def _rows(
    context: Context,
    verb: str,
    table: str,
    where: Reader | None,
    whole: Reader,
    first: Token,
    rule: str,
    columns: tuple[str, ...],
) -> None:
    """Judge an UPDATE or DELETE by how many rows it can reach."""
    token = first
    check_calls(context, whole)
    _nested(context, Reader(whole.tokens[1:], whole.dialect))
    if {"SELECT", "FROM", "USING"} & set(whole.words[2:]) or "WITH" in whole.words:
        _ask_again(context, whole, expected=_nested_kinds(whole) | {verb})
    _triggers(context, table, verb.upper())
    context.event("write", table, token)
    does, backfills = _VERBS[verb], bool(columns) and all((table, name) in context.own_columns for name in columns)
    if rule:
        context.add(rule, table, f"{does} rows of {table} inside WITH.", token)
    elif table in context.own:
        return
    elif where is None or is_always_true(context, table, where, whole):
        why = "There is no WHERE." if where is None else "Its WHERE is always true."
        severity = Severity.WARNING if backfills else None
        every = rows_in_words(context.live.rows_of(table)) or "rows"
        context.add(f"{verb}-without-where", table, f"{does} all {every} of {table}. {why}", token, severity)
    else:
        _share(context, verb, table, where, token)


_VERBS = {"update": "Changes", "delete": "Deletes"}


def _share(context: Context, verb: str, table: str, where: Reader, token: Token) -> None:
    known = context.live.matching.get(context.piece.statement.number)
    hit = 1 if known is None and _is_by_key(context, table, where) else known
    total = context.live.rows_of(table)
    of = f" of {number_in_words(total)}" if total is not None else ""
    grave = hit is not None and hit > FEW_ROWS and (total is None or hit * 100 > total * SHARE)
    count = "rows" if hit is None else f"at most {rows_in_words(hit)}" if known is None else rows_in_words(hit)
    reason = (
        f"{_VERBS[verb]} {count}{of} of {table}."
        if hit is not None
        else (f"{_VERBS[verb]} those{of} rows of {table} that its WHERE names; nobody counted them.")
    )
    context.add(verb, table, reason, token, Severity.DESTRUCTIVE if grave else None)


def _is_by_key(context: Context, table: str, where: Reader) -> bool:
    """Whether the WHERE is `key = value`, for a key of one column."""
    relation = context.live.relation(table)
    if relation is None or len(where.words) != 3 or where.words[1] != "=" or where.words[2] not in (STRING, NUMBER):
        return False
    column = Reader(where.tokens[:1], where.dialect)
    try:
        return (column.name(),) in {key.columns for key in relation.keys}
    except Unreadable:
        return False


def _where(reader: Reader) -> Reader | None:
    """The condition of the outer WHERE, moving past it; None when there is none."""
    reader.until("WHERE")
    if not reader.take("WHERE"):
        return None
    return reader.until("RETURNING", "ORDER", "LIMIT")


def _target(reader: Reader) -> str:
    table = reader.name()
    reader.take("*")
    return table


def _peek_table(reader: Reader) -> str:
    place = reader.place
    reader.take("ONLY")
    table = reader.name()
    reader.place = place
    return table


def _assigned(reader: Reader) -> tuple[str, ...]:
    """The columns that SET names."""
    names: list[str] = []
    for part in reader.listed():
        names += (part.group().names() if part.next == "(" else [part.name()]) if not part.done else []
    return tuple(names)


def _replace(context: Context, table: str, token: Token) -> None:
    children = context.children(table)
    also = f" Rows of other tables go with them: {children}." if children else ""
    context.add("replace-row", table, f"Deletes rows of {table} that are in the way.{also}", token)


def _triggers(context: Context, table: str, event: str) -> None:
    relation = context.live.relation(table)
    names = [trigger.name for trigger in relation.triggers if event in trigger.events] if relation else []
    if names:
        context.add("fires-triggers", table, f"Runs triggers of {table}: {', '.join(names)}.")


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
    return frozenset(inner.next.lower() for inner in nested_writes(reader)) | frozenset({"into"})


def _ask_again(context: Context, whole: Reader, expected: frozenset[str]) -> None:
    opinion = context.second.of(whole)
    if not opinion.readable:
        raise Unreadable
    unforeseen = opinion.writes - expected
    if unforeseen:
        context.add("unrecognised", "", f"Another reading finds {', '.join(sorted(unforeseen))} in it.")


def _whole(reader: Reader) -> Reader:
    return Reader(reader.tokens[reader.place :], reader.dialect)


def _after_columns(body: Reader) -> Reader:
    """An INSERT without its table's columns, whose name before them looks like a call."""
    place = body.place
    if body.take("AS"):
        body.name()
    if body.next == "(":
        body.group()
    rest = body.rest()
    body.place = place
    return rest


def _has(words: list[str], *pair: str) -> bool:
    return any(words[place : place + len(pair)] == list(pair) for place in range(len(words)))
