"""Locks, maintenance and COPY of PostgreSQL."""

from __future__ import annotations

from opsconsole.review.context import Context
from opsconsole.review.expressions import check_calls
from opsconsole.review.postgresql.creating import in_transaction
from opsconsole.review.reading import STRING, Reader, Unreadable


def lock(context: Context, reader: Reader) -> None:
    first = reader.skip()
    reader.take("TABLE")
    reader.take("ONLY")
    for table in reader.names():
        context.lock("lock-table", table, f"Others wait for {table} until the transaction ends.", first)


def vacuum(context: Context, reader: Reader) -> None:
    first = reader.skip()
    options = reader.group().words if reader.next == "(" else []
    full = "FULL" in options or "FULL" in reader.words
    while reader.take_one("FULL", "FREEZE", "VERBOSE", "ANALYZE", "ANALYSE"):
        pass
    table = "" if reader.done else reader.name()
    in_transaction(context, "VACUUM", table, first)
    if full:
        context.lock("vacuum-full", table, f"{table or 'Every table'} is written anew while nobody can use it.", first)


def analyze(context: Context, reader: Reader) -> None:
    reader.rest()


def cluster(context: Context, reader: Reader) -> None:
    first = reader.skip()
    reader.take("VERBOSE")
    table = "" if reader.done else reader.name()
    context.lock(
        "cluster", table, f"{table or 'Every clustered table'} is written anew while nobody can use it.", first
    )


def reindex(context: Context, reader: Reader) -> None:
    first = reader.skip()
    options = reader.group().words if reader.next == "(" else []
    kind = reader.take_one("INDEX", "TABLE", "SCHEMA", "DATABASE", "SYSTEM")
    concurrently = reader.take("CONCURRENTLY") or "CONCURRENTLY" in options
    name = "" if reader.done else reader.name()
    if concurrently:
        in_transaction(context, "REINDEX CONCURRENTLY", name, first)
    elif kind == "TABLE":
        context.lock("reindex", name, f"Nobody can write to {name} while its indexes are built.", first)
    else:
        context.add("reindex", name, f"Nobody can write while {name or 'every index'} is built.", first)


def refresh(context: Context, reader: Reader) -> None:
    first = reader.skip()
    reader.need("MATERIALIZED", "VIEW")
    concurrently = reader.take("CONCURRENTLY")
    view = reader.name()
    if not concurrently:
        context.lock("refresh-materialized-view", view, f"Nobody can read {view} while it is filled.", first)


def copy(context: Context, reader: Reader) -> None:
    first = reader.skip()
    if reader.next == "(":
        table, what = "", reader.group()
        check_calls(context, what)
        raise_on_writes(what)
    else:
        table = reader.name()
        if reader.next == "(":
            reader.group()
    if not reader.take_one("FROM", "TO"):
        raise Unreadable
    if reader.take("PROGRAM"):
        context.add("copy-program", table, "Runs a program on the server.", first)
    elif reader.next == STRING:
        context.add("copy-file", table, "Reads or writes a file of the server.", first)
    elif not reader.take_one("STDIN", "STDOUT"):
        raise Unreadable


def raise_on_writes(reader: Reader) -> None:
    """A COPY (query) may write; that is left to people. Raises Unreadable."""
    if {"INSERT", "UPDATE", "DELETE", "MERGE"} & set(reader.words):
        raise Unreadable
