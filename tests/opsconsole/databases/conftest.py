"""A team, and two databases that look like an application's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import people
from tests.support.console import Console
from tests.support.people import Cast
from tests.support.registering import register
from tests.support.servers import LoginRole, PostgresServer

SHOP = """
CREATE TABLE users (id integer PRIMARY KEY, email text, name text, settings text {check});
INSERT INTO users VALUES (1, 'mia@example.test', 'Mia', '{"token": "abc123", "theme": "dark"}');
INSERT INTO users VALUES (2, NULL, 'Noa', NULL);
"""


@dataclass(frozen=True)
class Shop:
    """A PostgreSQL database with two users, and a role of its own with a password."""

    server: PostgresServer
    name: str
    role: LoginRole

    @property
    def url(self) -> str:
        return self.server.url(self.name, role=self.role)


@pytest.fixture
def team(console: Console) -> Cast:
    return people.assemble()


@pytest.fixture
def shop(postgres: PostgresServer) -> Iterator[Shop]:
    role = postgres.create_role()
    name = postgres.create_database(owner=role)
    postgres.run(SHOP.replace("{check}", ""), name, role=role)
    yield Shop(postgres, name, role)
    postgres.drop_database(name)


@pytest.fixture
def shop_file(console: Console) -> Path:
    path = console.files / "shop.sqlite3"
    with sqlite3.connect(path) as db:
        db.executescript(SHOP.replace("{check}", "CHECK (json_valid(settings) OR settings IS NULL)"))
    db.close()
    return path


@pytest.fixture
def savings(console: Console, shop: Shop) -> Any:
    """The PostgreSQL shop, registered in production."""
    return register("savings", shop.url, environment="production")


@pytest.fixture
def ignition(console: Console, shop_file: Path) -> Any:
    """The SQLite shop, registered in development."""
    return register("ignition", f"sqlite:///{shop_file}", environment="development")
