"""A database of each vendor, made of a script, and one moment of it to ask checks about."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integrity.checks.base import Check, Found, Moment, Outcome
from integrity.rules.base import Spec
from integrity.scanning.answering import Budget
from integrity.scanning.examining import examine
from integrity.scanning.selecting import Selection
from opsconsole.engines.base import Engine
from opsconsole.engines.postgresql import PostgresEngine
from opsconsole.engines.sqlite import SqliteEngine
from tests.support.servers import LoginRole, PostgresServer


@dataclass
class Ground:
    """A database that tests lay out with SQL and look at through checks; the engine's name tells which vendor it is."""

    url: str
    engine: Engine
    change: Callable[[str], None]

    @property
    def vendor(self) -> str:
        return self.engine.name

    @contextmanager
    def moment(self, *, seconds: float = 60, **more: Any) -> Iterator[Moment]:
        with self.engine.inquiry(seconds=seconds) as inquiry:
            yield Moment(inquiry=inquiry, engine=self.engine, structure=self.engine.structure(), name="ground", **more)

    def look(
        self, *checks: Check, rules: Sequence[Spec] = (), budget: Budget | None = None, **more: Any
    ) -> list[Outcome]:
        """Everything that these tell of the database as it is now."""
        with self.moment(**more) as moment:
            chosen = Selection(checks=tuple(checks), rules=tuple(rules))
            return list(examine(moment, chosen, budget or Budget()).outcomes)

    def found(self, *checks: Check, rules: Sequence[Spec] = (), **more: Any) -> dict[str, Found]:
        """The findings among them by subject."""
        told = self.look(*checks, rules=rules, **more)
        return {each.subject: each for each in told if isinstance(each, Found)}


def in_file(path: Path) -> Ground:
    """An empty file, in WAL mode."""

    def change(script: str) -> None:
        with closing(sqlite3.connect(path)) as db:
            db.executescript(script)

    change("PRAGMA journal_mode=WAL")
    url = f"sqlite:///{path}"
    return Ground(url, SqliteEngine(SqliteEngine.parse(url, roots=[path.parent])), change)


def on_server(server: PostgresServer, name: str, role: LoginRole | None = None) -> Ground:
    """A database of a server, as the superuser or as `role` sees it; it is changed as the superuser."""
    url = server.url(name, role=role)
    return Ground(url, PostgresEngine(PostgresEngine.parse(url)), lambda script: server.run(script, name))


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Ground:
    """An empty file."""
    return in_file(tmp_path / "ground.sqlite")


@pytest.fixture
def on_postgres(postgres: PostgresServer) -> Ground:
    """An empty database on PostgreSQL 16."""
    return on_server(postgres, postgres.create_database(postgres.fresh_name("ground")))


@pytest.fixture(params=["sqlite", "postgresql"])
def ground(request: pytest.FixtureRequest) -> Ground:
    """Each of them in turn."""
    found: Ground = request.getfixturevalue("on_sqlite" if request.param == "sqlite" else "on_postgres")
    return found
