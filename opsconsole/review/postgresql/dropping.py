"""DROP and TRUNCATE of PostgreSQL."""

from __future__ import annotations

from opsconsole.review.context import Context, listed
from opsconsole.review.lexing import Token
from opsconsole.review.postgresql.creating import in_transaction
from opsconsole.review.reading import Reader, Unreadable

# What may follow DROP: the rule, and what happens in words; {} is the name.
_KINDS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("FOREIGN", "TABLE"), "drop-other", "Drops the foreign table {}."),
    (("MATERIALIZED", "VIEW"), "drop-materialized-view", "Drops the materialized view {} and its stored rows."),
    (("SCHEMA",), "drop-schema", "Drops the schema {}."),
    (("DATABASE",), "drop-database", "Drops the database {}."),
    (("TYPE",), "drop-type", "Drops the type {}."),
    (("DOMAIN",), "drop-type", "Drops the domain {}."),
    (("SEQUENCE",), "drop-sequence", "Drops the sequence {} and its last number."),
    (("EXTENSION",), "drop-extension", "Drops the extension {}, its types and functions."),
    (("TABLESPACE",), "drop-tablespace", "Drops the tablespace {}."),
    (("SUBSCRIPTION",), "drop-subscription", "Ends the replication {}."),
    (("INDEX",), "drop-index", "Drops the index {}."),
    (("VIEW",), "drop-view", "Drops the view {}."),
    (("FUNCTION",), "drop-function", "Drops the function {}."),
    (("PROCEDURE",), "drop-function", "Drops the procedure {}."),
    (("ROUTINE",), "drop-function", "Drops the routine {}."),
    (("AGGREGATE",), "drop-function", "Drops the aggregate {}."),
    (("TRIGGER",), "drop-trigger", "Drops the trigger {}."),
    (("POLICY",), "drop-policy", "Drops the policy {}."),
    (("ROLE",), "role", "Drops the role {}."),
    (("USER",), "role", "Drops the role {}."),
)


def drop(context: Context, reader: Reader) -> None:
    first = reader.skip()
    if reader.take("OWNED", "BY"):
        context.add("drop-owned", reader.name(), "Drops everything that the role owns here.", first)
    elif reader.take("TABLE"):
        for table in _names(reader):
            drop_table(context, table, first)
    else:
        _other(context, reader, first)
    _cascade(context, reader, first)


def drop_table(context: Context, table: str, token: Token) -> None:
    if table in context.own:
        context.add("drop-own-table", table, f"Drops the table {table}, which this text made.", token)
        context.own.discard(table)
        context.forget_columns(table)
    else:
        context.add("drop-table", table, f"Drops the table {table} {context.its_rows(table)}.", token)


def truncate(context: Context, reader: Reader) -> None:
    first = reader.skip()
    reader.take("TABLE")
    reader.take("ONLY")
    tables = [reader.name()]
    reader.take("*")
    while reader.take(","):
        reader.take("ONLY")
        tables.append(reader.name())
        reader.take("*")
    restart = reader.take("RESTART", "IDENTITY")
    reader.take("CONTINUE", "IDENTITY")
    for table in tables:
        if table not in context.own:
            more = " Its sequences start anew." if restart else ""
            context.add("truncate", table, f"Empties the table {table} {context.its_rows(table)}.{more}", first)
        children = sorted({key.table for key in context.live.emptied_with(table, truncated=True)})
        if reader.next == "CASCADE" and children:
            context.add("cascade", table, f"Tables that refer to {table} are emptied, too: {listed(children)}.", first)
    _cascade(context, reader, first)


def _names(reader: Reader) -> list[str]:
    reader.take("IF", "EXISTS")
    return reader.names()


def _other(context: Context, reader: Reader, first: Token) -> None:
    for words, rule, reason in _KINDS:
        if not reader.take(*words):
            continue
        concurrently = words == ("INDEX",) and reader.take("CONCURRENTLY")
        for name in _dropped(reader):
            context.add(rule, name, reason.format(name), first)
            if concurrently:
                in_transaction(context, "DROP INDEX CONCURRENTLY", name, first)
        return
    kind = " ".join(word for word in reader.words[1:3] if word.isalpha())
    context.add("drop-other", "", f"Drops something: {kind.lower()}.", first)
    reader.until("CASCADE", "RESTRICT")


def _dropped(reader: Reader) -> list[str]:
    """Names, with the arguments of functions and the tables of triggers moved past."""
    reader.take("IF", "EXISTS")
    found = []
    while True:
        name = reader.name()
        if reader.next == "(":
            name += f"({' '.join(token.text for token in reader.group().tokens)})"
        if reader.take("ON"):
            name = f"{reader.name()}.{name}"
        found.append(name)
        if not reader.take(","):
            return found


def _cascade(context: Context, reader: Reader, token: Token) -> None:
    if reader.take("CASCADE"):
        context.add("cascade", "", "Whatever depends on it goes as well, without being named.", token)
    reader.take("RESTRICT")
    if reader.take("WITH"):
        reader.group()  # DROP DATABASE ... WITH (FORCE)
    if not reader.done:
        raise Unreadable
