"""ALTER of PostgreSQL. One ALTER TABLE may hold several actions; each is judged by itself."""

from __future__ import annotations

from opsconsole.review.context import Context
from opsconsole.review.expressions import check_calls, check_definition
from opsconsole.review.lexing import Token
from opsconsole.review.postgresql import columns
from opsconsole.review.postgresql.creating import in_transaction, told_password
from opsconsole.review.reading import Reader, Unreadable

_RIGHTS = {"ROLE": "role", "USER": "role", "GROUP": "role", "DEFAULT": "grant"}
_SERVER = frozenset({"SYSTEM", "DATABASE", "TABLESPACE", "SERVER", "FOREIGN", "SUBSCRIPTION", "PUBLICATION", "EVENT"})


def alter(context: Context, reader: Reader) -> None:
    first = reader.skip()
    kind = reader.next
    if kind == "TABLE":
        _table(context, reader)
    elif kind in _RIGHTS:
        context.add(_RIGHTS[kind], "", "Changes who may do what.", first)
        told_password(context, reader, first)
    elif kind in _SERVER:
        context.add("server", "", f"ALTER {kind} reaches outside of the tables of this database.", first)
    elif kind == "SEQUENCE":
        _sequence(context, reader, first)
    elif kind in ("TYPE", "DOMAIN"):
        _type(context, reader, first)
    elif kind == "POLICY":
        reader.skip()
        context.add("row-security", reader.name(), "A policy changes who sees which rows.", first)
        check_calls(context, reader.rest())
    else:
        _other(context, reader, first)


def _table(context: Context, reader: Reader) -> None:
    reader.need("TABLE")
    reader.take("IF", "EXISTS")
    reader.take("ONLY")
    table = reader.name()
    reader.take("*")
    for action in reader.listed():
        try:
            _action(context, table, action)
        except Unreadable:
            words = " ".join(action.words[:4])
            grave = bool({"DROP", "DETACH", "TRUNCATE"} & set(action.words))
            reason = f"Nobody here knows what ALTER TABLE {table} {words} does."
            rule = "drop-other" if grave else "unrecognised"
            context.add(rule, table, reason, action.tokens[0] if action.tokens else None)


def _action(context: Context, table: str, action: Reader) -> None:
    first = action.token if action.tokens else None
    if first is None:
        raise Unreadable
    verb = action.skip().text.upper()
    match verb:
        case "ADD":
            columns.add(context, table, action, first)
        case "DROP":
            columns.drop(context, table, action, first)
        case "ALTER":
            columns.alter(context, table, action, first)
        case "RENAME":
            _rename(context, table, action, first)
        case "ENABLE" | "DISABLE" | "FORCE" | "NO":
            _switch(context, table, verb, action, first)
        case "ATTACH" | "DETACH":
            _partition(context, table, verb, action, first)
        case "VALIDATE":
            action.need("CONSTRAINT")
            action.name()
            action.end()
        case "SET" | "RESET":
            _set(context, table, action, first)
        case "OWNER":
            action.need("TO")
            context.add("grant", table, f"Gives {table} to {action.name()}.", first)
        case "INHERIT":
            context.add("table-option", table, f"Changes a property of {table}: {verb}.", first)
            context.reaches(action.name(), table)
        case "CLUSTER" | "REPLICA" | "OF" | "NOT":
            context.add("table-option", table, f"Changes a property of {table}: {verb}.", first)
        case _:
            raise Unreadable


def _rename(context: Context, table: str, action: Reader, first: Token) -> None:
    if action.take("TO"):
        new = action.name()
        action.end()
        if table not in context.own:
            context.add("rename-table", table, f"{table} is called {new} from now on.", first)
        context.event("renamed", table, first, other=new, own_after=context.renamed(table, new))
        return
    if action.take("CONSTRAINT"):
        action.name()
        action.need("TO")
        action.name()
        action.end()
        return
    action.take("COLUMN")
    old = action.name()
    action.need("TO")
    new = action.name()
    action.end()
    context.forget_columns(f"{table}.{old}", f"{table}.{new}")
    if table not in context.own:
        context.add(
            "rename-column", f"{table}.{old}", f"The column {old} of {table} is called {new} from now on.", first
        )


def _switch(context: Context, table: str, verb: str, action: Reader, first: Token) -> None:
    if action.take("ROW", "LEVEL", "SECURITY") or action.take("FORCE", "ROW", "LEVEL", "SECURITY"):
        action.end()
        if verb in ("DISABLE", "NO"):
            context.add("disable-rls", table, f"Everybody who may read {table} sees all of its rows.", first)
        elif table not in context.own:
            context.add("row-security", table, f"Only rows of {table} that a policy lets through are seen.", first)
        return
    if verb == "NO" and action.take("INHERIT"):
        context.add("table-option", table, f"{table} no longer belongs to {action.name()}.", first)
        return
    action.take_one("REPLICA", "ALWAYS")
    what = action.take_one("TRIGGER", "RULE")
    if not what:
        raise Unreadable
    name = action.skip().text
    action.end()
    if verb == "DISABLE":
        context.add("disable-trigger", table, f"{what.capitalize()} {name} of {table} is not run any more.", first)
    else:
        context.add("create-trigger", table, f"{what.capitalize()} {name} of {table} is run from now on.", first)


def _partition(context: Context, table: str, verb: str, action: Reader, first: Token) -> None:
    if not action.take("PARTITION"):
        raise Unreadable
    part = action.name()
    if verb == "DETACH":
        context.add("detach-partition", table, f"The rows of {part} are no longer in {table}.", first)
        if action.take("CONCURRENTLY"):
            in_transaction(context, "DETACH PARTITION CONCURRENTLY", table, first)
    elif part not in context.own:
        context.reaches(table, part)
        context.lock(
            "attach-partition", part, f"Every row of {part} is read to see whether it belongs to {table}.", first
        )


def _set(context: Context, table: str, action: Reader, first: Token) -> None:
    if action.take("UNLOGGED"):
        context.add("set-unlogged", table, f"{table} is empty after a crash, and on replicas.", first)
    elif action.take("LOGGED") or action.take("TABLESPACE") or action.take("ACCESS", "METHOD"):
        context.lock("rewrite", table, f"{table} is written anew while nobody can use it.", first)
    elif action.take("SCHEMA"):
        _moved(context, table, f"{table} moves to the schema {action.name()}.", first)
    elif action.next == "(" or action.next == "WITHOUT":
        context.add("table-option", table, f"Changes how {table} is stored.", first)
    else:
        raise Unreadable


def _sequence(context: Context, reader: Reader, first: Token) -> None:
    reader.skip()
    reader.take("IF", "EXISTS")
    sequence = reader.name()
    if reader.take("OWNED", "BY"):
        return
    if reader.take("RENAME", "TO"):
        context.add("rename-table", sequence, f"{sequence} is called {reader.name()} from now on.", first)
    elif reader.take("OWNER", "TO"):
        context.add("grant", sequence, f"Gives {sequence} to {reader.name()}.", first)
    elif "SCHEMA" in reader.words:
        _moved(context, sequence, f"{sequence} moves to another schema.", first)
    else:
        context.add("restart-sequence", sequence, f"Changes how {sequence} counts.", first)


def _type(context: Context, reader: Reader, first: Token) -> None:
    reader.skip()
    name = reader.name()
    if reader.take("ADD", "VALUE"):
        return
    if reader.take("RENAME", "VALUE") or reader.take("RENAME", "ATTRIBUTE"):
        context.add("rename-column", name, f"A value of {name} has another name from now on.", first)
    elif reader.take("RENAME", "TO"):
        context.add("rename-table", name, f"The type {name} is called {reader.name()} from now on.", first)
    elif reader.take("DROP", "ATTRIBUTE"):
        context.add("drop-value", name, f"A part of the type {name} goes, with its values.", first)
    elif reader.take("SET", "SCHEMA"):
        _moved(context, name, f"{name} moves to the schema {reader.name()}.", first)
    elif reader.take("OWNER", "TO"):
        context.add("grant", name, f"Gives {name} to {reader.name()}.", first)
    elif reader.take("DROP", "CONSTRAINT"):
        context.add("drop-constraint", name, f"The domain {name} has a rule less.", first)
    elif reader.take_one("SET", "DROP") and reader.take_one("DEFAULT", "NOT"):
        context.add("table-option", name, f"The domain {name} takes other values from now on.", first)
    elif reader.take("ADD"):
        check_definition(context, reader.rest())
        context.lock("constraint-not-valid", name, f"Every column of the domain {name} is checked.", first)
    else:
        raise Unreadable


def _other(context: Context, reader: Reader, first: Token) -> None:
    """Views, indexes, schemas, functions and the like: what is common to them."""
    reader.take("MATERIALIZED")
    kind = reader.take_one("VIEW", "INDEX", "SCHEMA", "FUNCTION", "PROCEDURE", "TRIGGER", "AGGREGATE", "COLLATION")
    if not kind:
        raise Unreadable
    reader.take("IF", "EXISTS")
    name = reader.name()
    if reader.next == "(":
        reader.group()
    if reader.take("ON"):
        reader.name()
    if reader.take("RENAME"):
        context.moved = True
        context.add("rename-table", name, f"{kind.capitalize()} {name} has another name from now on.", first)
    elif reader.take("SET", "SCHEMA"):
        _moved(context, name, f"{name} moves to the schema {reader.name()}.", first)
    elif reader.take("OWNER", "TO"):
        context.add("grant", name, f"Gives {name} to {reader.name()}.", first)
    elif kind == "INDEX" and reader.take("ATTACH", "PARTITION"):
        reader.name()
    elif "TABLESPACE" in reader.words:
        context.lock("rewrite", name, f"{name} is written anew while nobody can use it.", first)
    elif kind in ("VIEW", "INDEX") and reader.next in ("SET", "RESET", "ALTER"):
        context.add("table-option", name, f"Changes a property of {name}.", first)
    else:
        raise Unreadable


def _moved(context: Context, object: str, reason: str, token: Token) -> None:
    context.moved = True
    context.add("move-schema", object, reason, token)
