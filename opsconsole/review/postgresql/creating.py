"""CREATE of PostgreSQL."""

from __future__ import annotations

from opsconsole.review import functions, naming
from opsconsole.review.context import Context
from opsconsole.review.expressions import check_calls, check_definition
from opsconsole.review.lexing import Token
from opsconsole.review.postgresql import routines
from opsconsole.review.reading import STRING, Reader, Unreadable
from opsconsole.review.writing import query, with_

_HARMLESS = (("TYPE",), ("DOMAIN",), ("COLLATION",), ("STATISTICS",), ("TEXT", "SEARCH"), ("SEQUENCE",))
TRIGGERING = frozenset({"INSERT", "UPDATE", "DELETE", "TRUNCATE"})
_SERVER = frozenset({"DATABASE", "TABLESPACE", "SERVER", "FOREIGN", "SUBSCRIPTION", "PUBLICATION", "ACCESS", "EVENT"})
_ROLES = frozenset({"ROLE", "USER", "GROUP"})


def create(context: Context, reader: Reader) -> None:
    first = reader.skip()
    replace = reader.take("OR", "REPLACE")
    reader.take_one("GLOBAL", "LOCAL")
    temporary = bool(reader.take_one("TEMP", "TEMPORARY"))
    reader.take("UNLOGGED")
    kind = reader.next
    if kind == "TABLE":
        _table(context, reader)
    elif kind in ("INDEX", "UNIQUE"):
        _index(context, reader, first)
    elif kind in ("VIEW", "RECURSIVE"):
        _view(context, reader, first, replace and not temporary)
    elif kind == "MATERIALIZED":
        _materialized(context, reader)
    elif kind in ("FUNCTION", "PROCEDURE"):
        routines.create(context, reader, first, replace)
    elif kind in ("TRIGGER", "CONSTRAINT"):
        _trigger(context, reader, first)
    else:
        _other(context, reader, first)


def run_query(context: Context, reader: Reader) -> None:
    """Judge the query of CREATE ... AS, which is run at once."""
    if reader.next in ("EXECUTE", ""):
        raise Unreadable
    (with_ if reader.next == "WITH" else query)(context, reader)


def _table(context: Context, reader: Reader) -> None:
    reader.need("TABLE")
    maybe_there = reader.take("IF", "NOT", "EXISTS")
    table = reader.name()
    context.made(table, maybe_there=maybe_there)
    naming.table(context, table, reader.tokens[reader.place - 1])
    if reader.take("PARTITION", "OF") or reader.take("OF"):
        reader.name()
    if reader.next == "(":
        check_definition(context, reader.group())
    _table_options(reader)
    if reader.take("AS"):
        run_query(context, reader.part(reader.place, _before_data(reader)))
        return
    reader.end()


def _before_data(reader: Reader) -> int:
    """Where the query ends: before WITH [NO] DATA."""
    if reader.words[-3:] == ["WITH", "NO", "DATA"]:
        return len(reader.words) - 3
    return len(reader.words) - 2 if reader.words[-2:] == ["WITH", "DATA"] else len(reader.words)


def _table_options(reader: Reader) -> None:
    """What may stand after the columns."""
    while True:
        if reader.take("FOR", "VALUES"):
            for word in ("IN", "FROM", "TO", "WITH"):
                if reader.take(word):
                    reader.group()
        elif reader.take_one("INHERITS"):
            reader.group()
        elif reader.take("PARTITION", "BY"):
            reader.skip()
            reader.group()
        elif reader.take_one("USING", "TABLESPACE"):
            reader.name()
        elif reader.next == "WITH" and reader.words[reader.place + 1 : reader.place + 2] == ["("]:
            reader.skip()
            reader.group()
        elif not (
            reader.take("ON", "COMMIT", "DROP")
            or reader.take("ON", "COMMIT", "DELETE", "ROWS")
            or reader.take("ON", "COMMIT", "PRESERVE", "ROWS")
            or reader.take("WITHOUT", "OIDS")
            or reader.take("DEFAULT")
        ):
            return


def _index(context: Context, reader: Reader, first: Token) -> None:
    unique = reader.take("UNIQUE")
    reader.need("INDEX")
    concurrently = reader.take("CONCURRENTLY")
    reader.take("IF", "NOT", "EXISTS")
    index = "" if reader.next == "ON" else reader.name()
    reader.need("ON")
    reader.take("ONLY")
    table = reader.name()
    if reader.take("USING"):
        reader.name()
    columns = reader.group()
    check_calls(context, columns)
    while not reader.done and reader.next != "WHERE":
        if reader.take_one("INCLUDE", "WITH"):
            reader.group()
        elif reader.take("TABLESPACE"):
            reader.name()
        elif not (reader.take("NULLS", "DISTINCT") or reader.take("NULLS", "NOT", "DISTINCT")):
            raise Unreadable
    if reader.take("WHERE"):
        check_calls(context, reader.rest())
    naming.index(context, index, table, unique, first)
    if concurrently:
        in_transaction(context, "CREATE INDEX CONCURRENTLY", index or table, first)
    else:
        what = index or "an index"
        context.lock("index-not-concurrent", table, f"Nobody can write to {table} while {what} is built.", first)


def in_transaction(context: Context, what: str, object: str, token: Token) -> None:
    """A finding when a statement that must be outside of a transaction is known to be inside of one."""
    if context.begun or context.transaction:
        context.add("concurrently-in-transaction", object, f"{what} fails inside a transaction.", token)


def _view(context: Context, reader: Reader, first: Token, replace: bool) -> None:
    reader.take("RECURSIVE")
    reader.need("VIEW")
    view = reader.name()
    if replace:
        context.add("replace-view", view, f"Readers of the view {view} get what the new definition gives.", first)
    if reader.next == "(":
        reader.group()
    if reader.take("WITH"):
        reader.group()
    reader.need("AS")
    if reader.next not in ("SELECT", "WITH", "VALUES", "TABLE", "("):
        raise Unreadable
    check_calls(context, reader.rest())  # whoever reads the view calls them


def _materialized(context: Context, reader: Reader) -> None:
    reader.need("MATERIALIZED", "VIEW")
    reader.take("IF", "NOT", "EXISTS")
    reader.name()
    if reader.next == "(":
        reader.group()
    _table_options(reader)
    reader.need("AS")
    run_query(context, reader.part(reader.place, _before_data(reader)))  # if not now, then at a REFRESH


def _trigger(context: Context, reader: Reader, first: Token) -> None:
    reader.take("CONSTRAINT")
    reader.need("TRIGGER")
    trigger = reader.name()
    events = {word for word in reader.until("ON").words if word in TRIGGERING}
    reader.need("ON")
    table = reader.name()
    context.triggers.setdefault(table, set()).update(events)
    check_calls(context, reader.until("EXECUTE"))
    reader.need("EXECUTE")
    if not reader.take_one("FUNCTION", "PROCEDURE"):
        raise Unreadable
    function = reader.name()
    if table not in context.own or function.rpartition(".")[2] not in context.functions:
        context.add("create-trigger", table, f"{trigger} runs {function}() at writes to {table}.", first)


def _other(context: Context, reader: Reader, first: Token) -> None:
    if reader.take("SCHEMA"):
        reader.take("IF", "NOT", "EXISTS")
        schema = reader.name()
        if reader.take("AUTHORIZATION"):
            context.add("grant", schema, f"The schema {schema} is given to {reader.name()}.", first)
        reader.end()
    elif reader.take("EXTENSION"):
        reader.take("IF", "NOT", "EXISTS")
        extension = reader.name()
        if extension not in functions.EXTENSIONS:
            context.add("create-extension", extension, f"Nobody here knows what the extension {extension} does.", first)
    elif reader.take("POLICY"):
        policy = reader.name()
        reader.need("ON")
        table = reader.name()
        if table not in context.own:
            context.add("row-security", table, f"The policy {policy} changes who sees which rows of {table}.", first)
        check_calls(context, reader.rest())
    elif reader.take("RULE"):
        context.add("rewrite-rule", reader.name(), "A rule makes other statements out of statements.", first)
    elif reader.next in _ROLES:
        context.add("role", "", "Makes a role.", first)
        told_password(context, reader, first)
    elif reader.next in _SERVER:
        context.add("server", "", f"CREATE {reader.next} reaches outside of the tables of this database.", first)
    elif not any(reader.take(*words) for words in _HARMLESS):
        raise Unreadable
    else:
        _harmless(context, reader)


def told_password(context: Context, reader: Reader, first: Token) -> None:
    """Say so when a role's password stands in a statement."""
    words = reader.words
    if any(word == "PASSWORD" and words[place + 1 : place + 2] == [STRING] for place, word in enumerate(words)):
        context.add("password-in-text", "", "The role's password stands here for everybody to read.", first)


def _harmless(context: Context, reader: Reader) -> None:
    kind = reader.words[reader.place - 1]
    reader.name()
    if kind == "TYPE" and not reader.done and not reader.take("AS"):
        raise Unreadable  # a type with functions of its own
    if kind == "DOMAIN":
        check_definition(context, reader.rest())
    elif kind == "STATISTICS":
        reader.until("ON")
        check_calls(context, reader.rest())
