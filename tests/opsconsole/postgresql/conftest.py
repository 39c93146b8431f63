"""Databases of their own for tests of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from opsconsole.engines.postgresql import PostgresEngine


def engine_of(url: str, label: str = "opsconsole") -> PostgresEngine:
    return PostgresEngine(PostgresEngine.parse(url), session_label=label)


@pytest.fixture
def database(postgres: Any) -> Iterator[str]:
    """The name of an empty database on PostgreSQL 16."""
    name = postgres.create_database()
    yield name
    postgres.drop_database(name)


@pytest.fixture
def open_database(postgres: Any, database: str) -> Callable[..., PostgresEngine]:
    """A function that opens the database as an engine, with another label or role where wanted."""

    def open_it(label: str = "opsconsole", **options: Any) -> PostgresEngine:
        return engine_of(str(postgres.url(database, **options)), label)

    return open_it
