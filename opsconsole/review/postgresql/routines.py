"""Code that runs in the server: functions, DO, CALL, PREPARE, EXPLAIN."""

from __future__ import annotations

import re

from opsconsole.review.context import Context
from opsconsole.review.expressions import check_calls
from opsconsole.review.lexing import Dialect, Kind, Token, tokens
from opsconsole.review.reading import STRING, Reader, Unreadable
from opsconsole.review.writing import WRITES, query, with_

_TRUSTED = frozenset({"sql", "plpgsql"})
_DESTROYING = frozenset({"DROP", "TRUNCATE", "DELETE", "UPDATE", "EXECUTE", "ALTER", "PERFORM", "MERGE", "CALL"})
_TAG = re.compile(r"\A\$[^$]*\$|\$[^$]*\$\Z")


def create(context: Context, reader: Reader, first: Token, replace: bool) -> None:
    """CREATE FUNCTION or PROCEDURE: its body is kept and not run."""
    kind = reader.skip().text.lower()
    name = reader.name()
    context.functions.add(name.rpartition(".")[2])
    if reader.next != "(":
        raise Unreadable
    reader.group()
    if replace:
        context.add("replace-function", name, f"Whoever calls the {kind} {name} gets the new one.", first)
    words = reader.words
    if "LANGUAGE" in words:
        place = words.index("LANGUAGE") + 1
        language = reader.tokens[place].text.strip("'\"").lower() if place < len(words) else ""
        if language not in _TRUSTED:
            context.add("untrusted-language", name, f"The {kind} {name} is written in {language}.", first)
    elif "ATOMIC" not in words and "RETURN" not in words:
        raise Unreadable
    if "DEFINER" in words:
        context.add("security-definer", name, f"The {kind} {name} runs with its owner's rights.", first)


def do(context: Context, reader: Reader) -> None:
    """DO: its body is run at once, and may make statements that nobody sees."""
    first = reader.skip()
    bodies = [token for token in reader.tokens if token.kind is Kind.STRING]
    while reader.take("LANGUAGE") or reader.next == STRING:
        reader.skip()
    reader.end()
    found = sorted({word for token in bodies for word in _words(token.text) if word in _DESTROYING})
    if found:
        context.add("do-destroys", "", f"Runs a block of code that holds {', '.join(found)}.", first)
    else:
        context.add("do-block", "", "Runs a block of code.", first)


def _words(body: str) -> set[str]:
    inner = body[1:-1] if body.startswith("'") else _TAG.sub("", body)
    return {token.text.upper() for token in tokens(inner, Dialect.POSTGRESQL) if token.kind is Kind.WORD}


def call(context: Context, reader: Reader) -> None:
    first = reader.skip()
    name = reader.name()
    context.add("call", name, f"Runs the procedure {name}.", first)


def execute(context: Context, reader: Reader) -> None:
    first = reader.skip()
    context.add("execute", "", f"{first.text.upper()} runs a statement that stands elsewhere.", first)


def load(context: Context, reader: Reader) -> None:
    context.add("load-extension", "", "Loads code from a file of the server.", reader.skip())


def explain(context: Context, reader: Reader) -> None:
    """EXPLAIN shows a plan; with ANALYZE it runs the statement."""
    reader.skip()
    runs = bool(reader.take_one("ANALYZE", "ANALYSE"))
    if reader.next == "(":
        options = reader.group()
        runs = runs or bool({"ANALYZE", "ANALYSE"} & set(options.words))
    reader.take("VERBOSE")
    rest = reader.rest()
    if not runs:
        check_calls(context, rest)  # those of constants may be worked out for the plan
        return
    if rest.next in WRITES:
        WRITES[rest.next](context, rest, Reader(rest.tokens, rest.dialect))
    elif rest.next in ("SELECT", "VALUES", "TABLE", "WITH"):
        (with_ if rest.next == "WITH" else query)(context, rest)
    else:
        raise Unreadable
