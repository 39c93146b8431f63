"""Actions of ALTER TABLE on columns and constraints."""

from __future__ import annotations

import re

from opsconsole.review.context import Context
from opsconsole.review.expressions import STOPS, check_calls, check_definition, is_volatile
from opsconsole.review.findings import Severity
from opsconsole.review.lexing import Token
from opsconsole.review.reading import Reader, Unreadable

_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "EXCLUDE", "NOT")
_NUMBERED = frozenset({"SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL4", "SERIAL8", "SERIAL2"})
# Whole numbers and texts, each with those that hold all of its values.
_WIDER = {
    "smallint": {"integer", "bigint", "numeric", "double precision", "text"},
    "integer": {"bigint", "numeric", "double precision", "text"},
    "bigint": {"numeric", "text"},
    "real": {"double precision"},
    "boolean": {"text"},
    "uuid": {"text"},
    "character varying": {"text"},
    "json": set(),
}
_SHORT = {
    "int": "integer", "int4": "integer", "int8": "bigint", "int2": "smallint", "varchar": "character varying",
    "decimal": "numeric", "float8": "double precision", "float4": "real", "bool": "boolean", "char": "character",
    "bpchar": "character", "timestamptz": "timestamp with time zone", "timestamp": "timestamp without time zone",
}  # fmt: skip
_SIZED = re.compile(r"([a-z ]+?)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")


def add(context: Context, table: str, action: Reader, first: Token) -> None:
    """ADD of a constraint or a column."""
    if action.next in _CONSTRAINTS:
        _constraint(context, table, action, first)
        return
    action.take("COLUMN")
    maybe_there = action.take("IF", "NOT", "EXISTS")
    column = action.name()
    context.made_column(table, column, maybe_there=maybe_there)
    kind = action.until(*STOPS)
    if not kind.words:
        raise Unreadable
    if kind.words[0] in _NUMBERED:
        context.lock("stored-column", table, f"{table} is written anew to number {column}.", first)
    _properties(context, table, column, action, first)


def _properties(context: Context, table: str, column: str, action: Reader, first: Token) -> None:
    """What follows a new column's type."""
    required = default = False
    while not action.done:
        if action.take("NOT", "NULL"):
            required = True
        elif action.take("DEFAULT", "NULL"):
            continue
        elif action.take("DEFAULT"):
            value = action.until(*STOPS)
            default = True
            check_calls(context, value)
            if is_volatile(context, value):
                context.lock("volatile-default", table, f"{table} is written anew for the default of {column}.", first)
        elif action.take("GENERATED"):
            default = True
            context.lock("stored-column", table, f"{table} is written anew to fill {column}.", first)
            check_calls(context, action.until("NOT", "PRIMARY", "UNIQUE"))
        elif action.take("PRIMARY", "KEY") or action.take("UNIQUE"):
            context.lock(
                "unique-constraint", table, f"An index over {column} is built while nobody uses {table}.", first
            )
        elif action.take("CHECK"):
            check_calls(context, action.group())
            context.lock("constraint-not-valid", table, f"Every row of {table} is checked.", first)
        elif action.take("REFERENCES"):
            _reached(context, table, action.part(action.place - 1, len(action.words)))
            _references(action)
            if default:
                context.lock("constraint-not-valid", table, f"Every row of {table} is checked.", first)
        elif action.take("CONSTRAINT") or action.take("COLLATE"):
            action.name()
        elif not action.take("NULL"):
            raise Unreadable
    if required and not default:
        reason = f"{column} has no value for the rows that are there: the statement fails unless {table} is empty."
        context.lock("not-null-no-default", table, reason, first)


def _references(action: Reader) -> None:
    """REFERENCES of a new column, which is NULL in every row or has a constant: nothing is read but that."""
    action.name()
    if action.next == "(":
        action.group()
    while action.take_one("ON", "MATCH", "NOT", "DEFERRABLE", "INITIALLY"):
        action.take_one("DELETE", "UPDATE", "DEFERRABLE", "FULL", "SIMPLE", "PARTIAL", "DEFERRED", "IMMEDIATE")
        action.take_one("CASCADE", "RESTRICT", "SET", "NO")
        action.take_one("NULL", "DEFAULT", "ACTION")


def _reached(context: Context, table: str, action: Reader) -> None:
    """Note that rows of a table go with others from here on, where its reference says so."""
    action.until("REFERENCES")
    if not action.take("REFERENCES"):
        return
    parent = action.name()
    action.until("DELETE")
    if action.take("DELETE") and action.next in ("CASCADE", "SET"):
        context.reaches(parent, table, referring=True)


def _constraint(context: Context, table: str, action: Reader, first: Token) -> None:
    name = ""
    if action.take("CONSTRAINT"):
        name = action.name()
    what = name or action.next.lower()
    valid = action.words[-2:] != ["NOT", "VALID"]
    if action.take("PRIMARY", "KEY") or action.take_one("UNIQUE", "EXCLUDE"):
        check_definition(context, action.part(action.place, len(action.words)))
        if not action.take("USING", "INDEX"):
            context.lock("unique-constraint", table, f"The index of {what} is built while nobody uses {table}.", first)
    elif action.take_one("CHECK", "FOREIGN", "NOT"):
        _reached(context, table, action.part(action.place, len(action.words)))
        check_definition(context, action.part(action.place - 1, len(action.words)))
        if valid:
            context.lock("constraint-not-valid", table, f"Every row of {table} is checked for {what}.", first)
    else:
        raise Unreadable


def drop(context: Context, table: str, action: Reader, first: Token) -> None:
    """DROP of a constraint or a column."""
    constraint = action.take("CONSTRAINT")
    if not constraint:
        action.take("COLUMN")
    action.take("IF", "EXISTS")
    name = action.name()
    if table not in context.own:
        if constraint:
            context.add("drop-constraint", table, f"Nothing checks {name} of {table} any more.", first)
        else:
            dropped_column(context, table, name, first)
    if action.take("CASCADE"):
        context.add("cascade", table, f"Whatever depends on {name} goes as well, without being named.", first)
    action.take("RESTRICT")
    action.end()


def dropped_column(context: Context, table: str, column: str, token: Token) -> None:
    if (table, column) in context.own_columns:
        return
    rows = context.live.rows_of(table)
    of = "" if rows is None else f" in {context.size(table)}"
    context.add("drop-column", f"{table}.{column}", f"Drops the column {column} of {table} and its values{of}.", token)


def alter(context: Context, table: str, action: Reader, first: Token) -> None:
    """ALTER COLUMN."""
    action.take("COLUMN")
    column = action.name()
    object = f"{table}.{column}"
    if action.take("TYPE") or action.take("SET", "DATA", "TYPE"):
        _type(context, table, column, action, first)
    elif action.take("SET", "DEFAULT"):
        check_calls(context, action.rest())
        context.add("change-default", object, f"New rows of {table} get another {column}.", first)
    elif action.take("SET", "NOT", "NULL"):
        action.end()
        context.lock("set-not-null", table, f"Every row of {table} is read while nobody uses it.", first)
    elif action.take("DROP", "NOT", "NULL"):
        context.add("drop-not-null", object, f"{column} of {table} may be NULL from now on.", first)
    elif action.take("DROP", "DEFAULT") or action.take("DROP", "IDENTITY") or action.take("DROP", "EXPRESSION"):
        context.add("drop-default", object, f"New rows of {table} get no {column} by themselves any more.", first)
    elif action.take("RESTART"):
        context.add("restart-sequence", object, f"{column} of {table} counts from another number.", first)
    elif action.take("SET", "EXPRESSION"):
        context.lock("rewrite", table, f"{table} is written anew to fill {column}.", first)
    elif action.take("ADD", "GENERATED"):
        context.add("change-default", object, f"New rows of {table} are numbered in {column}.", first)
    elif action.take_one("SET", "RESET"):
        if not action.take_one("STATISTICS", "STORAGE", "COMPRESSION", "(", "GENERATED", "INCREMENT", "START", "CACHE"):
            raise Unreadable
        context.add("table-option", object, f"Changes how {column} of {table} is stored or counted.", first)
    else:
        raise Unreadable


def _type(context: Context, table: str, column: str, action: Reader, first: Token) -> None:
    new = _spelled(action.until("USING", "COLLATE"))
    if action.take("COLLATE"):
        action.name()
    using = action.rest() if action.take("USING") else None
    if using is not None:
        check_calls(context, using)
    relation = context.live.relation(table)
    old = next((field.type for field in relation.fields if field.name == column), "") if relation else ""
    changes_values = using is not None and not _is_cast_of(using, column)
    if table in context.own:
        return
    object = f"{table}.{column}"
    if not changes_values and _holds(old, new):
        reason = f"{column} of {table} becomes {new}; the table may be written anew."
        if old.startswith("character varying"):
            context.add("type-change", object, f"{column} of {table} becomes {new}.", first, Severity.WARNING)
        else:
            context.lock("type-change", table, reason, first)
        return
    was = f" and was {old}" if old else ""
    context.add("type-change-may-narrow", object, f"{column} of {table} becomes {new}{was}: values may not fit.", first)


def _is_cast_of(using: Reader, column: str) -> bool:
    """Whether USING only says `column::type`."""
    try:
        same = using.name() == column
    except Unreadable:
        return False
    return same and using.take(":", ":") and "(" not in using.words[:1]


def _spelled(kind: Reader) -> str:
    """A type as the catalogue would write it, as far as we know its names."""
    text = (
        " ".join(token.text.lower() for token in kind.tokens).replace(" (", "(").replace("( ", "(").replace(" )", ")")
    )
    base, bracket, length = text.partition("(")
    return _SHORT.get(base.strip(), base.strip()) + bracket + length


def _holds(old: str, new: str) -> bool:
    """Whether every value of the old type has a place in the new one. Without an old type only a text is sure."""
    if not old:
        return new in ("text", "character varying")
    if old == new:
        return True
    was, now = _SIZED.fullmatch(old), _SIZED.fullmatch(new.replace(" ,", ","))
    old_base, new_base = (was[1] if was else old), (now[1] if now else new)
    if old_base == new_base:
        return was is not None and (now is None or _grows(was, now))
    return now is None and new_base in _WIDER.get(old_base, set())


def _grows(was: re.Match[str], now: re.Match[str]) -> bool:
    """Whether no value loses a digit or a letter: before the point and behind it."""
    old_scale, new_scale = int(was[3] or 0), int(now[3] or 0)
    return new_scale >= old_scale and int(now[2]) - new_scale >= int(was[2]) - old_scale
