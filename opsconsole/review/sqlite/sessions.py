"""Transactions, other files and maintenance of SQLite."""

from __future__ import annotations

from opsconsole.review.context import Context
from opsconsole.review.expressions import check_calls
from opsconsole.review.lexing import Dialect
from opsconsole.review.reading import Reader


def transaction(context: Context, reader: Reader) -> None:
    """BEGIN, COMMIT and the like. wrangler takes the first BEGIN TRANSACTION and COMMIT out; D1 refuses any other."""
    first = reader.skip()
    word = first.text.upper()
    if word == "BEGIN":
        again = context.begun
        context.begun = True
        if context.dialect is Dialect.D1 and (again or not reader.take("TRANSACTION")):
            context.add(
                "d1-refuses", "", "D1 refuses BEGIN, but for one BEGIN TRANSACTION that wrangler removes.", first
            )
            return
    elif word in ("COMMIT", "END") or (word == "ROLLBACK" and "TO" not in reader.words):
        context.begun = False
    if context.dialect is Dialect.D1 and word in ("SAVEPOINT", "RELEASE", "ROLLBACK"):
        context.add("d1-refuses", "", f"D1 refuses {word}.", first)
        return
    context.add("transaction-control", "", f"{word} in the text: the file is no longer one whole.", first)


def attach(context: Context, reader: Reader) -> None:
    first = reader.skip()
    context.attached = True
    context.add("attach", "", f"{first.text.upper()} reaches another file.", first)


def vacuum(context: Context, reader: Reader) -> None:
    first = reader.skip()
    if "INTO" in reader.words:
        context.add("vacuum-into", "", "Writes a file.", first)
    else:
        context.add("vacuum", "", "The whole file is written anew while nobody can use it.", first)
        inside = context.begun or context.transaction
        if context.dialect is Dialect.D1:
            context.add("d1-refuses", "", "D1 refuses VACUUM.", first)
        elif inside:
            context.add("concurrently-in-transaction", "", "VACUUM fails inside a transaction.", first)


def analyze(context: Context, reader: Reader) -> None:
    reader.rest()


def reindex(context: Context, reader: Reader) -> None:
    first = reader.skip()
    name = "" if reader.done else reader.name()
    context.lock("reindex", name, "Nobody can write while indexes are built.", first)


def explain(context: Context, reader: Reader) -> None:
    """EXPLAIN runs nothing in SQLite."""
    reader.skip()
    check_calls(context, reader.rest())
