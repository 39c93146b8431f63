"""What operations replaced is let go when its time is over, and not while somebody works with it."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle.backups import expiry
from lifecycle.models import KeptCopy
from opsconsole import operations
from opsconsole.clock import now
from opsconsole.databases import engine_for
from opsconsole.models import AuditEvent, Operation
from opsconsole.states import State
from tests.support.cases import work
from tests.support.console import Console


def restored(console: Console, row: Any, cast: Any, **parameters: str) -> Operation:
    """A backup was taken and restored."""
    work(console, operations.request("backup", row, {}, account=cast.ada))
    done: Operation = work(console, operations.request("restore", row, parameters, account=cast.ada, confirm="shop"))
    assert done.state == State.SUCCEEDED, done.failure_why
    return done


def is_there(shop: Any, name: str) -> bool:
    return bool(shop.server.rows(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"))


def test_the_database_that_a_swap_replaced_is_dropped_when_its_time_is_over(console, cast, postgres_shop):
    shop, row = postgres_shop
    restored(console, row, cast)
    copy = KeptCopy.objects.get()
    assert (expiry.drop_expired(), is_there(shop, copy.name)) == (0, True)
    assert copy.size_bytes > 1_000_000
    KeptCopy.objects.update(expires_at=now())
    assert (expiry.drop_expired(), is_there(shop, copy.name)) == (1, False)
    copy.refresh_from_db()
    assert (copy.state, copy.ended_at is not None) == (KeptCopy.State.DROPPED, True)
    assert AuditEvent.objects.filter(type="kept.dropped").count() == 1
    assert expiry.drop_expired() == 0


@pytest.mark.parametrize(("shop", "method"), [("sqlite_shop", "swap"), ("postgres_shop", "in_place")])
def test_a_safety_backup_stays_when_the_time_to_undo_is_over(console, cast, request, shop, method):
    _shop, row = request.getfixturevalue(shop)
    done = restored(console, row, cast, method=method)
    copy = KeptCopy.objects.get()
    assert (copy.way, copy.backup_id) == (KeptCopy.Way.BACKUP, done.result["safety_backup"])
    KeptCopy.objects.update(expires_at=now())
    assert expiry.drop_expired() == 1
    assert row.backups.filter(pk=copy.backup_id, state="good").exists()


def test_a_target_that_somebody_works_on_keeps_its_copy_for_now(console, cast, postgres_shop):
    shop, row = postgres_shop
    restored(console, row, cast)
    KeptCopy.objects.update(expires_at=now())
    copy = KeptCopy.objects.get()
    with engine_for(row, session_label="opsconsole/ffffffffffffffff/77/5").hold():
        assert (expiry.drop_expired(), is_there(shop, copy.name)) == (0, True)
    assert (expiry.drop_expired(), is_there(shop, copy.name)) == (1, False)


def test_another_database_under_the_kept_name_is_left_alone_and_the_page_says_so(console, cast, postgres_shop):
    shop, row = postgres_shop
    restored(console, row, cast)
    copy = KeptCopy.objects.get()
    shop.server.drop_database(copy.name)
    shop.server.run(f'CREATE DATABASE "{copy.name}"')
    KeptCopy.objects.update(expires_at=now())
    assert (expiry.drop_expired(), is_there(shop, copy.name)) == (0, True)
    copy.refresh_from_db()
    assert "made anew" in copy.problem
    tried = copy.tried_at
    expiry.drop_expired()
    copy.refresh_from_db()
    assert copy.tried_at == tried  # a failure is not tried again each second


def test_a_kept_database_that_no_run_could_list_is_listed_by_the_tick(console, cast, postgres_shop):
    shop, row = postgres_shop
    restored(console, row, cast)
    before = KeptCopy.objects.values("name", "incarnation", "live_incarnation", "size_bytes", "holds", "made").get()
    KeptCopy.objects.all().delete()  # as if its worker was lost, and people settled that it was done
    assert (expiry.adopt(), expiry.adopt()) == (1, 0)
    assert KeptCopy.objects.values(*before).get() == before
    assert is_there(shop, before["name"])
