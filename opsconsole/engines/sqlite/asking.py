"""Asking a restored copy what somebody wants to know of it: one SELECT each, in a child process that can only read.

Also the program of that child (`python -I asking.py PATH SECONDS`): statements come as a JSON list on its standard
input, and each answer is one JSON object a line. It imports nothing of the project there, because it is run by its
path; the file may be hostile, and so may a statement, and the worst that they can do is to end the child.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING or __package__:
    from opsconsole import process
    from opsconsole.engines.base import Answer

MEMORY_BYTES = 1 << 30
STEPS = 20_000  # of SQLite's machine between two looks at the clock
DENIED_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer"})


def ask(path: Path, statements: Sequence[str], *, seconds: int) -> list[Answer]:
    """The answers in order; `path` is a file that nobody else uses."""
    argv: list[str | Path] = [process.python(), "-I", __file__, path, str(seconds)]
    done = process.run(argv, input=json.dumps(list(statements)).encode(), timeout=10.0 + seconds * len(statements))
    answers = [Answer(**json.loads(line)) for line in done.stdout.splitlines()]
    missing = len(statements) - len(answers)
    return answers + [Answer(error=f"the process that read it ended with status {done.returncode}")] * missing


def answer(connection: sqlite3.Connection, statement: str, seconds: float) -> dict[str, Any]:
    """What one statement gives, as the fields of an Answer. A second row is enough to know that there is not one."""
    until = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > until, STEPS)
    try:
        rows = connection.execute(statement).fetchmany(2)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return {"error": f"it took longer than {seconds:g} seconds"}
        return {"error": str(error)}
    except (sqlite3.Error, sqlite3.Warning, MemoryError) as error:
        return {"error": str(error) or type(error).__name__}
    first = rows[0][0] if rows else None
    return {"rows": len(rows), "first": None if first is None else str(first)}


def only_reads(action: int, first: str | None, second: str | None, schema: str | None, source: str | None) -> int:
    """An authorizer that lets statements read and nothing else."""
    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
    harmless = action == sqlite3.SQLITE_FUNCTION and second not in DENIED_FUNCTIONS
    return sqlite3.SQLITE_OK if action in allowed or harmless else sqlite3.SQLITE_DENY


def main(arguments: list[str]) -> int:
    path, seconds = arguments
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = sqlite3.connect(f"file:{quote(path)}?immutable=1", uri=True, isolation_level=None)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    connection.execute("PRAGMA query_only=ON")
    connection.set_authorizer(only_reads)
    for statement in json.load(sys.stdin):
        print(json.dumps(answer(connection, statement, float(seconds))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
