"""Programs that use a database while the console works on it. They note what they should never have seen."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

PATIENCE = 30.0


@contextmanager
def nobody(live: Path) -> Iterator[list[str]]:
    yield []


@contextmanager
def a_reader(live: Path) -> Iterator[list[str]]:
    """Reads both tables in one transaction, again and again; they always agree."""

    def read(connection: sqlite3.Connection) -> str | None:
        sql = "SELECT DISTINCT substr(name, 1, 3) FROM people UNION SELECT DISTINCT substr(name, 1, 3) FROM pets"
        found = connection.execute(sql).fetchall()
        return None if len(found) == 1 else f"a mixture: {found}"

    with _busy(live, read) as complaints:
        yield complaints


@contextmanager
def a_writer(live: Path) -> Iterator[list[str]]:
    """Commits a small change, again and again."""

    def write(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE settings SET value = value + 1 WHERE key = 'count'")

    with _busy(live, write) as complaints:
        yield complaints


@contextmanager
def _busy(live: Path, act: Callable[[sqlite3.Connection], str | None]) -> Iterator[list[str]]:
    complaints: list[str] = []
    stop, begun = threading.Event(), threading.Event()

    def work() -> None:
        with closing(sqlite3.connect(live, isolation_level=None, timeout=PATIENCE)) as connection:
            while not stop.is_set() and not complaints:
                try:
                    complaints.extend(filter(None, [act(connection)]))
                except sqlite3.Error as error:
                    complaints.append(str(error))
                begun.set()
                stop.wait(0.002)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(PATIENCE)
    try:
        yield complaints
    finally:
        stop.set()
        thread.join()
