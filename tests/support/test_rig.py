"""The fixtures themselves: what they promise to every other test."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import psycopg
import pytest

from tests.support.console import Console
from tests.support.people import PASSWORD, Cast
from tests.support.servers import Pooler, PostgresServer
from tests.support.tools import Tools, lay_wrangler, local_d1


def test_the_distributions_server_speaks_tls_and_has_amcheck(debian_postgres: PostgresServer) -> None:
    debian_postgres.run("CREATE EXTENSION IF NOT EXISTS amcheck")
    assert debian_postgres.rows("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [(True,)]


def test_the_pooler_gives_other_backends_to_other_transactions(postgres: PostgresServer, pgbouncer: Pooler) -> None:
    role = postgres.create_role()
    with psycopg.connect(pgbouncer.url(role=role), prepare_threshold=None) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (role.name,)


def test_roles_and_databases_get_names_of_their_own(postgres: PostgresServer) -> None:
    owner = postgres.create_role(createdb=True)
    names = {postgres.create_database(owner=owner) for _ in range(2)}
    assert len(names) == 2
    with postgres.connect(names.pop(), role=owner) as connection:
        connection.execute("CREATE TABLE mine (id int)")


def test_another_thread_sees_what_the_test_wrote(console: Console) -> None:
    from opsconsole.models import OwnerGroup

    OwnerGroup.objects.create(name="payments")
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(OwnerGroup.objects.filter(name="payments").exists()))
    thread.start()
    thread.join()
    assert seen == [True]


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_starts_from_the_template(console: Console, turn: int) -> None:
    from opsconsole.models import OwnerGroup

    assert not OwnerGroup.objects.filter(name="leftover").exists()
    OwnerGroup.objects.create(name="leftover")


def test_a_subprocess_is_part_of_the_same_console(console: Console) -> None:
    from opsconsole.models import OwnerGroup

    OwnerGroup.objects.create(name="seen-from-afar")
    script = "from opsconsole.models import OwnerGroup; print(OwnerGroup.objects.filter(name='seen-from-afar').count())"
    done = console.run("shell", "-c", script)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.split()[-1] == b"1"


def test_the_cast_can_log_in(cast: Cast) -> None:
    assert cast.ada.check_password(PASSWORD)
    assert not cast.mallory.person.memberships.exists()


def test_prisma_and_wrangler_run_without_a_network(tools: Tools, postgres: PostgresServer, tmp_path: Path) -> None:
    """The two that call out and need care to start; drizzle-kit and dbmate just run."""
    folder, database = tmp_path / "prisma", postgres.create_database()
    (folder / "0001_first").mkdir(parents=True)
    (folder / "migration_lock.toml").write_text('provider = "postgresql"\n')
    (folder / "0001_first" / "migration.sql").write_text("CREATE TABLE a (t text DEFAULT ';'); CREATE TABLE b (i int);")
    ran = tools.prisma(folder, postgres.url(database), "deploy")
    rows = "SELECT migration_name, finished_at IS NOT NULL FROM _prisma_migrations"
    assert (ran.code, postgres.rows(rows, database)) == (0, [("0001_first", True)]), ran.text
    lay_wrangler(tmp_path / "worker", {"0001_first.sql": "CREATE TABLE a (id int);\n"})
    ran = tools.wrangler_apply(tmp_path / "worker")
    with sqlite3.connect(local_d1(tmp_path / "worker")) as connection:
        assert connection.execute("SELECT name FROM d1_migrations").fetchall() == [("0001_first.sql",)], ran.text
