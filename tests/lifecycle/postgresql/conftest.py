"""A ledger in a database of its own, and a backup of what it held when it was new."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import postgres_worker as worker

SCRIPT = """
    CREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE);
    CREATE TABLE entries (
        id bigserial PRIMARY KEY, person bigint NOT NULL REFERENCES people, word text, at timestamptz
    );
    CREATE INDEX entries_person ON entries (person);
    INSERT INTO people (name) SELECT 'person ' || n FROM generate_series(1, 500) n;
    INSERT INTO entries (person, word, at) SELECT 1 + n % 500, 'new', now() FROM generate_series(1, 5000) n;
"""
DAMAGE = "DELETE FROM entries WHERE id > 300; UPDATE entries SET word = 'old'; CREATE TABLE later (a int)"
NEW, OLD = ("new", 5000, 500, False), ("old", 300, 500, True)


class Ledger:
    """One database of the test server; `state()` is (word, entries, people, is the later table there?)."""

    def __init__(self, server: Any, name: str) -> None:
        self.server, self.name = server, name

    @property
    def url(self) -> str:
        return str(self.server.url(self.name))

    def state(self) -> tuple[Any, ...]:
        words, entries, people, later = self.server.rows(
            "SELECT array_agg(DISTINCT word), count(*), (SELECT count(*) FROM people), to_regclass('later') IS NOT NULL"
            " FROM entries",
            self.name,
        )[0]
        assert len(words) == 1, "old and new rows are mixed"
        return words[0], entries, people, later

    def databases(self) -> list[str]:
        """Databases of the server whose names begin with this one's."""
        rows = self.server.rows(f"SELECT datname FROM pg_database WHERE datname LIKE '{self.name}%' ORDER BY 1")
        return [row[0].removeprefix(self.name) for row in rows]

    def drop(self) -> None:
        for suffix in self.databases():
            self.server.drop_database(self.name + suffix)


@pytest.fixture
def make_ledger(postgres: Any) -> Iterator[Callable[..., Ledger]]:
    """A function that makes a ledger with new content; all are dropped at the end."""
    made: list[Ledger] = []

    def make(server: Any = None, **options: Any) -> Ledger:
        server = server or postgres
        ledger = Ledger(server, server.create_database(**options))
        made.append(ledger)
        server.run(SCRIPT, ledger.name)
        return ledger

    yield make
    for ledger in made:
        ledger.drop()


@pytest.fixture
def ledger(make_ledger: Callable[..., Ledger]) -> Ledger:
    return make_ledger()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Where a store, a work folder, the contents and the witness lie."""
    return worker.make_base(tmp_path / "base")


@pytest.fixture(scope="module")
def kept(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str, Path]]:
    """(server, its template database, base): a native backup of a ledger full of "new"."""
    name = postgres.create_database()
    postgres.run(SCRIPT, name)
    folder = worker.make_base(tmp_path_factory.mktemp("kept") / "base")
    worker.backup(str(postgres.url(name)), folder)
    yield postgres, name, folder
    postgres.drop_database(name)


@pytest.fixture
def damaged(kept: tuple[Any, str, Path], tmp_path: Path) -> Iterator[tuple[Ledger, Path]]:
    """(a ledger full of "old", the base with a backup full of "new")."""
    server, template, folder = kept
    ledger = Ledger(server, server.create_database(template=template))
    server.run(DAMAGE, ledger.name)
    yield ledger, Path(shutil.copytree(folder, tmp_path / "base"))
    ledger.drop()
