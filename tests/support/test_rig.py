"""The fixtures themselves: what they promise to every other test."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from tests.support.console import Console, Template, fresh_console
from tests.support.people import PASSWORD, Cast, assemble, close_bootstrap
from tests.support.servers import Pooler, PostgresServer
from tests.support.turns import TABLES


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


def test_a_database_that_was_left_is_again_as_the_template(
    console_templates: Callable[[str], Template], tmp_path: Path, settings: Any, django_db_blocker: Any
) -> None:
    names, seen = [], []
    with django_db_blocker.unblock():
        template = console_templates("postgresql")
        assert template.turns is not None
        server = template.turns.server
        for folder in ("one", "two"):
            with fresh_console(template, tmp_path / folder, settings):
                names.append(connection.settings_dict["NAME"])
                seen.append(everything_in(server, names[-1]))
                assemble()
                close_bootstrap()  # which leaves rows that guards let nobody take away
        with fresh_console(template, tmp_path / "three", settings):
            assert connection.settings_dict["NAME"] == names[0]
            connection.cursor().execute("ALTER TABLE opsconsole_person ADD COLUMN odd int")
        with fresh_console(template, tmp_path / "four", settings):
            assert connection.settings_dict["NAME"] not in names
    assert names[0] == names[1]
    assert seen[0] == seen[1] == everything_in(server, template.settings["NAME"])


def everything_in(server: PostgresServer, name: str) -> dict[str, Any]:
    """The rows of each table in their order, the state of each sequence, and the triggers that watch."""
    tables = [table for (table,) in server.rows(TABLES, name)]
    content: dict[str, Any] = {table: server.rows(f'SELECT t::text FROM "{table}" AS t', name) for table in tables}
    content["sequences"] = server.rows("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1", name)
    triggers = "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger ORDER BY 1, 2"
    content["triggers"] = server.rows(triggers, name)
    return content


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
