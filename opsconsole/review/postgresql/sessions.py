"""What concerns the session, rights and descriptions: SET, GRANT, BEGIN, COMMENT."""

from __future__ import annotations

from opsconsole.review import settings
from opsconsole.review.context import Context
from opsconsole.review.reading import Reader


def set_(context: Context, reader: Reader) -> None:
    first = reader.skip()
    if reader.next in ("TRANSACTION", "CONSTRAINTS") or reader.at("SESSION", "CHARACTERISTICS"):
        return
    reader.take_one("LOCAL", "SESSION")
    reader.take("SESSION")  # SET SESSION SESSION AUTHORIZATION
    if reader.take("TIME", "ZONE"):
        return
    if reader.take("NAMES"):
        settings.encoding(context, reader.skip().text if not reader.done else "default", first)
        return
    if reader.next in ("ROLE", "AUTHORIZATION"):
        context.add("set-role", "", "What follows runs with other rights.", first)
        return
    if reader.take("SCHEMA"):
        context.add("search-path", "", "Names without a schema may mean other objects from here on.", first)
        return
    name = reader.name().lower()
    if not reader.take("TO") and not reader.take("="):
        context.add("setting", name, f"Changes {name}.", first)
        return
    settings.change(context, name, reader.tokens[-1].text)


def reset(context: Context, reader: Reader) -> None:
    """RESET and DISCARD give the session back what it began with."""
    first = reader.skip()
    name = reader.rest()
    if name.next in ("ROLE", "SESSION", "SESSION_REPLICATION_ROLE", "ALL"):
        context.add("set-role", "", "What follows may run with other rights.", first)


def show(context: Context, reader: Reader) -> None:
    reader.rest()


def transaction(context: Context, reader: Reader) -> None:
    """BEGIN, COMMIT and the like, inside a migration."""
    first = reader.skip()
    word = first.text.upper()
    if reader.next == "PREPARED" or reader.at("TRANSACTION", "PREPARED"):
        context.add("execute", "", "Ends a transaction that was prepared elsewhere.", first)
        return
    if word in ("BEGIN", "START"):
        context.begun = True
    elif word in ("COMMIT", "END", "ROLLBACK", "ABORT") and "TO" not in reader.words:
        context.begun = "CHAIN" in reader.words and "NO" not in reader.words
    context.add("transaction-control", "", f"{word} in the text: the file is no longer one whole.", first)


def comment(context: Context, reader: Reader) -> None:
    reader.need("COMMENT", "ON")


def grant(context: Context, reader: Reader) -> None:
    first = reader.skip()
    context.add("grant", "", f"{first.text.upper()} changes who may do what.", first)


def revoke(context: Context, reader: Reader) -> None:
    first = reader.skip()
    context.add("revoke", "", "Takes rights away.", first)
