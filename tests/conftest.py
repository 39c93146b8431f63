"""Fixtures that every test may ask for. Servers start when first asked for, once in each test process."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.nodeid import NodeId

from opsconsole.embedded.redis import EmbeddedRedis
from tests.support import servers
from tests.support.console import Console, Template, build_template, fresh_console, shared_by_a_run
from tests.support.people import Cast, assemble
from tests.support.servers import Pooler, PostgresServer, S3Server
from tests.support.tools import Tools, installed

# These look at the same rows through pages and commands, or at databases that are managed (whichever database the
# console's own is); `--console-db postgresql` runs them there as well.
ONE_BACKEND_IS_ENOUGH = (
    "tests.opsconsole.pages", "tests.opsconsole.commands", "tests.opsconsole.running", "tests.opsconsole.test_demo",
    "tests.opsconsole.test_engine_contract", "tests.opsconsole.databases.test_data",
    "tests.opsconsole.databases.test_import_export", "tests.opsconsole.databases.test_tables_in_the_admin",
)  # fmt: skip
# These hardly ask anything that the two backends answer in ways of their own; `make nightly` runs them on both.
ON_POSTGRESQL_AT_NIGHT = (
    "tests.opsconsole.approvals.test_bootstrap", "tests.opsconsole.approvals.test_changes",
    "tests.opsconsole.approvals.test_logins", "tests.opsconsole.approvals.test_people",
    "tests.opsconsole.approvals.test_policies", "tests.opsconsole.approvals.test_shell",
    "tests.opsconsole.approvals.test_tokens", "tests.opsconsole.approvals.test_typed",
    "tests.opsconsole.audit.test_approvals_replayed", "tests.opsconsole.audit.test_command",
    "tests.opsconsole.audit.test_memory", "tests.opsconsole.audit.test_redaction",
    "tests.opsconsole.audit.test_scouting", "tests.opsconsole.databases.test_identities",
    "tests.opsconsole.audit.test_verify_audit", "tests.opsconsole.databases.test_registration",
    "tests.opsconsole.side_doors.test_commands", "tests.opsconsole.test_rotation",
    "tests.opsconsole.test_tokens",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--console-db", choices=["sqlite", "postgresql", "both"], default="sqlite", help="the console's own database"
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
def s3_server() -> Iterator[S3Server]:
    """A server that speaks S3; `.place()` is an empty bucket there."""
    with servers.s3() as server:
        yield server


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    """The real wrangler, drizzle-kit, prisma and dbmate; skipped visibly where npm could not install them."""
    return installed(tmp_path / "home of tools")


@pytest.fixture(scope="session")
def console_templates(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Template]:
    """Migrated databases by backend, each made when first asked for; every test's console is a copy of one."""

    @functools.cache
    def template(backend: str) -> Template:
        server = request.getfixturevalue("postgres") if backend == "postgresql" else None
        return build_template(shared_by_a_run(tmp_path_factory), server)

    return template


@pytest.fixture
def console_backend() -> str:
    """Where the console of a test keeps its own database; `--console-db` decides."""
    return "sqlite"


@pytest.fixture
def console(
    console_templates: Callable[[str], Template],
    console_backend: str,
    tmp_path: Path,
    settings: Any,
    django_db_blocker: Any,
) -> Iterator[Console]:
    """A console of this test's own, with real commits; `console.env` makes a subprocess part of it."""
    with (
        django_db_blocker.unblock(),
        fresh_console(console_templates(console_backend), tmp_path / "home", settings) as fresh,
    ):
        yield fresh


@pytest.fixture
def cast(console: Console) -> Cast:
    """The people of tests/support/people.py, in a console whose bootstrap is still open."""
    return assemble()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """With `--console-db both`, tests of the kernel's rows run on each backend of the console's own database."""
    wanted = metafunc.config.getoption("--console-db")
    own = any("console_backend" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "console" not in metafunc.fixturenames or wanted == "sqlite" or own:
        return
    name = metafunc.module.__name__
    of_the_kernel = name.startswith(("tests.opsconsole", "tests.support")) and not name.startswith(
        ONE_BACKEND_IS_ENOUGH
    )
    if wanted != "both":
        metafunc.parametrize("console_backend", [wanted])
        return
    at_night = [pytest.mark.nightly] if name.startswith(ON_POSTGRESQL_AT_NIGHT) else []
    other = [pytest.param("postgresql", marks=at_night)] if of_the_kernel else []
    metafunc.parametrize("console_backend", ["sqlite", *other])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Serial tests share one worker, so that no two of them run at once; so do those of every `xdist_group`."""
    for item in items:
        if item.get_closest_marker("serial"):
            item.add_marker(pytest.mark.xdist_group("serial"))
        mark = item.get_closest_marker("xdist_group")
        if mark is not None and config.getoption("loadgroup", False):
            name_group(item, mark.args[0])


def name_group(item: pytest.Item, group: str) -> None:
    """Tell the scheduler the group: it reads it from the id's end. xdist 3.8 sets what pytest 9.2 no longer reads."""
    if not item.nodeid.endswith(f"@{group}"):
        item._id = NodeId.parse(f"{item.nodeid}@{group}")
    if not item.nodeid.endswith(f"@{group}"):
        raise pytest.UsageError("Tests of a group would run at once: pytest keeps the ids of tests somewhere else now.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI nothing may be skipped: what is missing there must be installed."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which counts as a failure in CI: {report.longrepr}"
    return report
