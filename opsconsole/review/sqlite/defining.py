"""CREATE, DROP and ALTER of SQLite."""

from __future__ import annotations

from itertools import pairwise

from opsconsole.review import naming
from opsconsole.review.context import Context
from opsconsole.review.expressions import STOPS, check_calls, check_definition, is_volatile
from opsconsole.review.findings import Severity
from opsconsole.review.lexing import Token
from opsconsole.review.reading import Reader, Unreadable
from opsconsole.review.writing import query, with_

_MODULES = frozenset({"fts3", "fts4", "fts5", "rtree", "geopoly"})
_NOW = frozenset({"CURRENT_TIME", "CURRENT_DATE", "CURRENT_TIMESTAMP"})
_TABLE_PARTS = frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})


def create(context: Context, reader: Reader) -> None:
    first = reader.skip()
    reader.take_one("TEMP", "TEMPORARY")
    unique = reader.take("UNIQUE")
    kind = reader.take_one("TABLE", "INDEX", "VIEW", "TRIGGER", "VIRTUAL")
    if kind == "VIRTUAL":
        reader.need("TABLE")
    maybe_there = reader.take("IF", "NOT", "EXISTS")
    name = reader.name()
    if kind == "TABLE":
        naming.table(context, name, reader.tokens[reader.place - 1])
        _table(context, reader, name, maybe_there)
    elif kind == "INDEX":
        _index(context, reader, name, unique, first)
    elif kind == "TRIGGER":
        _trigger(context, reader, name, first)
    elif kind == "VIRTUAL":
        reader.need("USING")
        module = reader.name()
        if module not in _MODULES:
            context.add("virtual-table", name, f"Nobody here knows the module {module}.", first)
        context.made(name, maybe_there=maybe_there)
    elif kind == "VIEW":
        reader.until("AS")
        check_calls(context, reader.rest())
    else:
        raise Unreadable


def _table(context: Context, reader: Reader, table: str, maybe_there: bool) -> None:
    columns: tuple[str, ...] = ()
    made_of = None
    if reader.take("AS"):
        made_of = reader.part(reader.place, len(reader.words))
        (with_ if reader.next == "WITH" else query)(context, reader)
        reader.rest()
    else:
        defined = reader.group()
        check_definition(context, defined.part(0, len(defined.words)))
        columns = tuple(part.name() for part in defined.listed() if not part.done and part.next not in _TABLE_PARTS)
        while not reader.done:
            if not (reader.take("STRICT") or reader.take("WITHOUT", "ROWID") or reader.take(",")):
                raise Unreadable
    context.made(table, maybe_there=maybe_there)
    conflicts = {"IGNORE", "REPLACE"} & set(reader.words) if "CONFLICT" in reader.words else set()
    context.event("made", table, columns=columns, copy=made_of, other=" ".join(conflicts))


def _index(context: Context, reader: Reader, index: str, unique: bool, first: Token) -> None:
    reader.need("ON")
    table = reader.name()
    check_calls(context, reader.group())
    if reader.take("WHERE"):
        check_calls(context, reader.rest())
    reader.end()
    naming.index(context, index, table, unique, first)


def _trigger(context: Context, reader: Reader, trigger: str, first: Token) -> None:
    events = {word for word in reader.until("ON").words if word in ("INSERT", "UPDATE", "DELETE")}
    reader.need("ON")
    table = reader.name()
    if "BEGIN" not in reader.words or reader.words[-1] != "END":
        raise Unreadable
    verbs = ("INSERT", "UPDATE", "DELETE", "REPLACE")
    body = reader.words[reader.words.index("BEGIN") :]
    does = sorted({word for before, word in pairwise(body) if before in ("BEGIN", ";") and word in verbs})
    if does:
        context.triggers.setdefault(table, set()).update(events)
    if table not in context.own or does:
        what = f" and does {', '.join(does)}" if does else ""
        context.add("create-trigger", table, f"{trigger} runs at writes to {table}{what}.", first)


def drop(context: Context, reader: Reader) -> None:
    first = reader.skip()
    kind = reader.take_one("TABLE", "INDEX", "VIEW", "TRIGGER")
    if not kind:
        raise Unreadable
    reader.take("IF", "EXISTS")
    name = reader.name()
    reader.end()
    if kind == "TABLE":
        context.event("dropped", name, first)  # rebuilds.py judges it when the whole text is known
        context.own.discard(name)
        context.forget_columns(name)
    else:
        context.add(f"drop-{kind.lower()}", name, f"Drops the {kind.lower()} {name}.", first)


def alter(context: Context, reader: Reader) -> None:
    first = reader.skip()
    reader.need("TABLE")
    table = reader.name()
    if reader.take("RENAME", "TO"):
        new = reader.name()
        context.event("renamed", table, first, other=new, own_after=context.renamed(table, new))
    elif reader.take("RENAME"):
        reader.take("COLUMN")
        old = reader.name()
        reader.need("TO")
        new = reader.name()
        context.forget_columns(f"{table}.{old}", f"{table}.{new}")
        if table not in context.own:
            reason = f"The column {old} of {table} is called {new} from now on."
            context.add("rename-column", f"{table}.{old}", reason, first)
    elif reader.take("DROP"):
        reader.take("COLUMN")
        _dropped_column(context, table, reader.name(), first)
    elif reader.take("ADD"):
        reader.take("COLUMN")
        _added_column(context, table, reader, first)
    else:
        raise Unreadable
    reader.end()


def _dropped_column(context: Context, table: str, column: str, first: Token) -> None:
    context.event("write", table, first)
    if table in context.own or (table, column) in context.own_columns:
        return
    rows = context.live.rows_of(table)
    of = "" if rows is None else f" in {context.size(table)}"
    context.add("drop-column", f"{table}.{column}", f"Drops the column {column} of {table} and its values{of}.", first)


def _added_column(context: Context, table: str, reader: Reader, first: Token) -> None:
    column = reader.name()
    context.made_column(table, column, maybe_there=False)
    reader.until(*STOPS)
    required = default = False
    while not reader.done:
        if reader.take("NOT", "NULL"):
            required = True
        elif reader.take("DEFAULT", "NULL"):
            continue
        elif reader.take("DEFAULT"):
            value = reader.until(*STOPS)
            default = True
            check_calls(context, value)
            if is_volatile(context, value) or _NOW & set(value.words):
                context.add(
                    "volatile-default", table, f"SQLite refuses a default of {column} that is worked out.", first
                )
        elif reader.take_one("CHECK", "AS"):
            check_calls(context, reader.group())
        else:
            reader.skip()
    if required and not default and table not in context.own:
        reason = f"{column} has no value for the rows that are there: SQLite refuses it unless {table} is empty."
        severity = Severity.WARNING if context.live.is_small(table) else None
        context.add("not-null-no-default", table, reason, first, severity)
