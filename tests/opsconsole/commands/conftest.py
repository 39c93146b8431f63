"""A team, and two databases: one where nobody else is asked, one where somebody is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import people
from tests.support.cases import make_shop
from tests.support.commands import Say, speaker
from tests.support.console import Console
from tests.support.people import Cast
from tests.support.registering import register


@pytest.fixture
def team(console: Console) -> Cast:
    return people.assemble()


@pytest.fixture
def say(console: Console, monkeypatch: pytest.MonkeyPatch) -> Say:
    return speaker(monkeypatch)


@pytest.fixture
def open_shop(console: Console, team: Cast) -> Any:
    """An SQLite database in development: nobody else is asked."""
    return register("shop", f"sqlite:///{make_shop(console.files / 'shop.sqlite3')}", environment="development")


@pytest.fixture
def guarded_shop(console: Console, team: Cast) -> Any:
    """An SQLite database in production: another person is asked."""
    return register("vault", f"sqlite:///{make_shop(console.files / 'vault.sqlite3')}", environment="production")
