"""One target is one target, whatever it is called."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from opsconsole import databases
from opsconsole.databases.addresses import cipher
from opsconsole.exceptions import Refused, TargetProblem
from opsconsole.models import AuditEvent, Database
from tests.opsconsole.databases.conftest import Shop
from tests.support.console import Console
from tests.support.registering import register


def test_a_probe_keeps_what_the_target_said_of_itself(savings: Any) -> None:
    assert savings.identity.startswith("postgresql:")
    assert savings.incarnation and savings.server_version and savings.seen_at
    assert savings.problem == ""


def test_a_failed_probe_keeps_the_reason_and_the_identity_that_was_known(savings: Any, shop: Shop) -> None:
    known = savings.identity
    shop.server.run(f"ALTER ROLE {shop.role.name} PASSWORD 'another'")
    with pytest.raises(TargetProblem):
        databases.probe(savings)
    savings.refresh_from_db()
    assert "password" in savings.problem
    assert savings.identity == known


def test_a_target_registered_twice_takes_the_strictest_environment(savings: Any, shop: Shop) -> None:
    alias = register("playground", shop.url.replace("127.0.0.1", "localhost"), environment="development")
    assert alias.identity == savings.identity
    assert databases.protected(alias)
    assert databases.strictest(alias).name == "production"
    assert [environment.name for environment in databases.environments_of(alias.identity)] == [
        "production",
        "development",
    ]


def test_a_name_that_was_removed_protects_nothing_any_more(savings: Any, shop: Shop) -> None:
    alias = register("playground", shop.url, environment="development")
    Database.objects.filter(pk=savings.pk).update(removed_at=savings.seen_at)
    assert not databases.protected(alias)


def test_databases_that_were_never_reached_do_not_share_an_identity(console: Console) -> None:
    rows = [Database(name=name, identity="") for name in ("one", "two")]
    assert databases.same_target(rows[0].identity) == []


def test_a_check_of_a_sound_database_says_ok_and_is_recorded(savings: Any) -> None:
    assert all(line.ok for line in databases.check(savings))
    event = AuditEvent.objects.filter(type="database.checked").first()
    assert event is not None
    assert (event.database_id, event.outcome) == (savings.pk, "ok")


def test_a_check_says_under_which_other_names_the_database_is_known(savings: Any, shop: Shop) -> None:
    register("playground", shop.url, environment="development")
    assert any("playground (Development)" in line.detail for line in databases.check(savings))


WRONG: dict[str, Callable[[Shop], str]] = {
    "dns": lambda shop: shop.url.replace("127.0.0.1", "nowhere.invalid"),
    "refused": lambda shop: shop.url.replace(f":{shop.server.port}/", ":1/"),
    "missing": lambda shop: shop.url.replace(f"/{shop.name}", "/absent"),
    "password": lambda shop: shop.url.replace(f":{shop.role.password}@", ":wrong@"),
}


@pytest.mark.parametrize("code", WRONG)
def test_a_check_says_precisely_what_is_wrong(savings: Any, shop: Shop, code: str) -> None:
    savings.url_sealed = cipher().seal(WRONG[code](shop))
    line = databases.check(savings)[0]
    assert (line.ok, line.code) == (False, code)
    assert line.next_step
    assert shop.role.password not in line.detail


def test_a_file_of_the_consoles_state_is_refused_as_a_target(console: Console) -> None:
    state = console.home / "keys"
    state.mkdir(exist_ok=True)
    with pytest.raises(Refused) as caught:
        databases.refuse_own(f"sqlite:1:2:{state}/secret.sqlite3")
    assert caught.value.code == "own_database"


def test_a_file_under_an_allowed_root_is_no_state(console: Console, shop_file: Path) -> None:
    found = shop_file.stat()
    databases.refuse_own(f"sqlite:{found.st_dev}:{found.st_ino}:{shop_file}")


def test_the_consoles_own_database_is_refused_under_every_name(console: Console) -> None:
    with pytest.raises(Refused) as caught:
        databases.refuse_own(own_identity(console))
    assert caught.value.code == "own_database"


def own_identity(console: Console) -> str:
    """What an engine would say of the console's own database: its file under another name, or its server."""
    if console.vendor == "sqlite":
        alias = console.files / "innocent.sqlite3"
        os.link(console.home / "console.sqlite3", alias)
        return f"sqlite:{alias.stat().st_dev}:{alias.stat().st_ino}:{alias}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT system_identifier::text FROM pg_control_system()")
        return f"postgresql:{cursor.fetchone()[0]}:{connection.settings_dict['NAME']}"
