"""Fixtures that every test may ask for. Servers start when first asked for, once in each test process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsconsole.embedded.redis import EmbeddedRedis
from tests.support import servers
from tests.support.console import Console, build_template, fresh_console
from tests.support.servers import Pooler, PostgresServer


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--console-db", choices=["sqlite", "postgresql"], default="sqlite", help="the console's own database"
    )


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """PostgreSQL 16 from the packaged binaries: no TLS, no amcheck."""
    with servers.embedded_postgres(16) as server:
        yield server


@pytest.fixture(scope="session")
def postgres18() -> Iterator[PostgresServer]:
    """PostgreSQL 18 from the packaged binaries: no TLS, no amcheck."""
    with servers.embedded_postgres(18) as server:
        yield server


@pytest.fixture(scope="session")
def debian_postgres() -> Iterator[PostgresServer]:
    """The distribution's PostgreSQL with TLS and amcheck; skipped visibly where it is not installed."""
    with servers.debian_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer(postgres: PostgresServer) -> Iterator[Pooler]:
    """A transaction pooler in front of `postgres`; skipped visibly where it is not installed."""
    with servers.pgbouncer(postgres) as pooler:
        yield pooler


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """A Redis on a private unix socket; `.url()` is Celery's address of it."""
    with servers.redis() as server:
        yield server


@pytest.fixture(scope="session")
def console_server(request: pytest.FixtureRequest) -> PostgresServer | None:
    """Where the consoles of this session keep their own database: a PostgreSQL server, or None for SQLite files."""
    if request.config.getoption("--console-db") == "sqlite":
        return None
    return request.getfixturevalue("postgres")  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def console_template(
    console_server: PostgresServer | None, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> dict[str, Any]:
    """The migrated database that every test's console is a copy of."""
    with django_db_blocker.unblock():
        return build_template(tmp_path_factory.mktemp("template"), console_server)


@pytest.fixture
def console(
    console_template: dict[str, Any],
    console_server: PostgresServer | None,
    tmp_path: Path,
    settings: Any,
    django_db_blocker: Any,
) -> Iterator[Console]:
    """A console of this test's own, with real commits; `console.env` makes a subprocess part of it."""
    with (
        django_db_blocker.unblock(),
        fresh_console(console_template, console_server, tmp_path / "home", settings) as fresh,
    ):
        yield fresh
