"""A shop that is registered with the console, on either engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opsconsole.installation import MARK
from tests.support.console import Console
from tests.support.registering import register
from tests.support.shops import PostgresShop, SqliteShop


@pytest.fixture
def sqlite_shop(console: Console, cast: Any) -> Any:
    """(the shop, its row): a WAL file in an unprotected environment."""
    shop = SqliteShop.make(console.files)
    return shop, register("shop", shop.url, environment="development")


@pytest.fixture
def postgres_shop(console: Console, cast: Any, postgres: Any) -> Any:
    """(the shop, its row): a database on PostgreSQL 16 in an unprotected environment."""
    shop = PostgresShop.make(postgres)
    return shop, register("shop", shop.url, environment="development")


@pytest.fixture(params=["sqlite", "postgresql"])
def any_shop(request: pytest.FixtureRequest) -> Any:
    """The shop on each engine in turn."""
    return request.getfixturevalue("sqlite_shop" if request.param == "sqlite" else "postgres_shop")


POSTGRESQL_AT_NIGHT = pytest.mark.parametrize(  # what hardly asks anything that engines answer in ways of their own
    "any_shop", ["sqlite", pytest.param("postgresql", marks=pytest.mark.nightly)], indirect=True
)
SQLITE_AT_NIGHT = pytest.mark.parametrize(
    "any_shop", [pytest.param("sqlite", marks=pytest.mark.nightly), "postgresql"], indirect=True
)


def stored_files(console: Console) -> list[Path]:
    """Every file in the console's store, its own mark left out."""
    return sorted(path for path in (console.home / "store").rglob("*") if path.is_file() and path.name != MARK)
