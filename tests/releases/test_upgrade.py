"""The console's own database of the last release, brought to the present: nothing is lost, and what waited goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from lifecycle.models import KeptCopy
from opsconsole import operations, triggers
from opsconsole.models import Operation
from opsconsole.plans import digest_of
from opsconsole.states import State
from tests.releases import loading
from tests.support.cases import typed, work
from tests.support.console import Console, Template, fresh_console, postgresql_settings
from tests.support.people import PASSWORD
from tests.support.shops import ORDERS, SqliteShop
from tests.support.turns import Turns

LAST = "first"
SCHEMA = {"opsconsole": "0002_shipped_rows", "lifecycle": "0002_initial"}
LEFT = 50  # orders in the shop when the release was left


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path, settings: Any, django_db_blocker: Any) -> Iterator[Console]:
    """The console of the release, not migrated yet; `console.files / "shop.sqlite"` is its shop."""
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    settings.LEASE_SECONDS, settings.SELF_FENCE_SECONDS = 30.0, 18.0  # leases are not what this is about
    with django_db_blocker.unblock():
        template = empty(server, tmp_path)
        with fresh_console(template, tmp_path / "home", settings) as console:
            shop = SqliteShop.make(console.files)
            shop.lose(LEFT)
            loading.unpack_home(LAST, console.home, settings, console.env, shop.url)
            models = loading.migrate_to(SCHEMA)
            loading.fill(LAST, models, identity=identity_of(shop), place=shop.path)
            keep_a_database(models)
            yield console


def empty(server: Any, folder: Path) -> Template:
    """A database without a table."""
    if server is not None:
        name = server.create_database(server.fresh_name("upgrade"))
        return Template(postgresql_settings(server, name), Turns(server, name))
    (folder / "empty.sqlite3").touch()
    return Template({"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "empty.sqlite3")}, None)


def keep_a_database(models: Any) -> None:
    """Add what a swap of PostgreSQL leaves, as the release lists it; the shop, on SQLite, has nothing of the kind."""
    from opsconsole.clock import now

    restore = models.get_model("opsconsole", "operation").objects.get(kind="restore", state="succeeded")
    models.get_model("lifecycle", "keptdatabase").objects.create(
        database_id=restore.database_id,
        operation_id=restore.pk,
        name="shop__old_2",
        incarnation="16400",
        kept_at=now(),
        expires_at=now() + timedelta(hours=24),
    )


def identity_of(shop: SqliteShop) -> str:
    facts = shop.path.stat()
    return f"sqlite:{facts.st_dev}:{facts.st_ino}:{shop.path}"


@pytest.mark.xdist_group("release")  # both are the same console, which ends every process of a run that it takes over
def test_the_last_release_is_brought_to_the_present_and_goes_on(old, settings):
    before = states()
    call_command("migrate", verbosity=0, interactive=False)
    assert triggers.problems() == []
    assert states() == before
    assert {"succeeded", "failed", "rejected", "cancelled", "pending_approval"} <= set(before.values())
    assert every_plan_is_what_was_approved()
    copy = KeptCopy.objects.get()
    assert (copy.way, copy.state, copy.name, copy.holds) == ("database", "kept", "shop__old_2", 0)
    assert copy.made == copy.operation_id
    verified = old.run("audit", "verify")
    assert verified.returncode == 0, verified.stdout.decode() + verified.stderr.decode()
    every_page_opens()
    finish_what_waited(old)
    verified = old.run("audit", "verify")
    assert verified.returncode == 0, verified.stdout.decode()


def states() -> dict[int, str]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT id, state FROM opsconsole_operation ORDER BY id")
        return dict(cursor.fetchall())


def every_plan_is_what_was_approved() -> bool:
    """The stored bytes, and those that this code makes of what it reads in them, have the digest that people saw."""
    rows = Operation.objects.all()
    return all(digest_of(row.plan_text.encode()) == row.digest == row.plan.digest for row in rows)


def approve(operation: Operation, account: Any) -> Operation:
    from opsconsole.clock import now

    return operations.approve(
        operation, account=account, digest=operation.digest, auth_at=now(), typed=typed(operation)
    )


def every_page_opens() -> None:
    paths = {
        "ada": ["/", "/databases/shop/", "/databases/shop/backups/", "/databases/shop/history/", "/backups/1/"],
        "admin": ["/people/", "/policies/"],
        "audrey": ["/audit/"],
    }
    for operation in Operation.objects.all():
        paths["ada" if operation.database_id else "admin"].append(operation.get_absolute_url())
    for login, wanted in paths.items():
        client = Client()
        assert client.post("/login/", {"username": login, "password": PASSWORD}).status_code == 302
        assert [path for path in wanted if client.get(path).status_code != 200] == []


def finish_what_waited(console: Console) -> None:
    """The restore gets its second vote and runs, and can be undone; the change of the console is confirmed."""
    from opsconsole.models import Account, Database

    people = {account.username: account for account in Account.objects.all()}
    waiting = Operation.objects.get(state=State.PENDING_APPROVAL, kind="restore")
    change = Operation.objects.get(state=State.PENDING_APPROVAL, kind="change")
    assert waiting.votes.count() == 1
    shop = SqliteShop(console.files / "shop.sqlite")
    done = work(console, approve(waiting, people["linus"]))
    assert (done.state, done.failure_why) == (State.SUCCEEDED, "")
    assert shop.orders() == ORDERS
    undo = operations.request("undo", Database.objects.get(), {}, account=people["ada"])
    approve(undo, people["grace"])  # the policy for restores asks for two, and an undo is like one
    assert work(console, approve(undo, people["linus"])).state == State.SUCCEEDED
    assert shop.orders() == LEFT
    Operation.objects.filter(pk=change.pk).update(expires_at=None)
    approve(change, people["grace"])
    change.refresh_from_db()
    assert change.state == State.SUCCEEDED
