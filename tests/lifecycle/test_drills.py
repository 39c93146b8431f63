"""A drill finds a copy that differs, runs where it can, and leaves nothing behind however it ends."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from lifecycle.backups.archives import manifest_of
from lifecycle.proving import verification
from lifecycle.proving.grounds import refusals
from opsconsole import operations, process
from opsconsole.databases import url_of
from opsconsole.embedded.postgresql import folder_for
from opsconsole.exceptions import OperationFailed
from opsconsole.instance import instance_id
from opsconsole.models import Database, Operation
from opsconsole.states import State
from tests.lifecycle.conftest import SQLITE_AT_NIGHT
from tests.lifecycle.test_crashes import assert_nothing_left, die_at, start_worker
from tests.lifecycle.test_verify import backed_up, verify
from tests.support.cases import is_stopped_at_failpoint, wait_until, work
from tests.support.console import Console
from tests.support.registering import register
from tests.support.shops import PostgresShop


@pytest.fixture(autouse=True)
def no_programs_left(console: Console) -> Iterator[None]:
    """For root, servers of the console's own have their programs outside its home."""
    yield
    shutil.rmtree(folder_for(settings.OPSCONSOLE_HOME), ignore_errors=True)


def scratch_of(shop: Any, operation: Operation) -> str:
    """The name of the scratch copy of a drill under way."""
    suffix = f"{operation.id}.{operation.fence}.staging" if shop.engine == "sqlite" else f"_{operation.fence}"
    return next(name for name in shop.leftovers() if name.endswith(suffix) and "opsconsole/" not in name)


def grounds() -> list[Path]:
    return list(folder_for(settings.OPSCONSOLE_HOME).glob("drill-*"))


@pytest.fixture
def strict_umask() -> Iterator[None]:
    """As `manage.py up` sets it: what a worker makes is its user's alone unless it says otherwise."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.parametrize(("fixture", "format"), [("postgres", "native"), ("postgres", "custom"), ("sqlite", "native")])
def test_a_copy_whose_counts_agree_and_whose_values_do_not_fails_the_drill(console, cast, request, fixture, format):
    shop, row = request.getfixturevalue(f"{fixture}_shop")
    backup = backed_up(console, cast, row, format=format)
    asked = operations.request("verify", row, {}, account=cast.ada)
    worker = start_worker(console, asked, "verify.restored:stop")
    wait_until(lambda: worker.poll() is not None or is_stopped_at_failpoint(asked), what="the stop")
    shop.tamper(scratch_of(shop, asked), "UPDATE orders SET cents = 1 WHERE id = 100")
    for pid in process.marked(f"{asked.id}.{asked.fence}"):
        os.kill(pid, signal.SIGCONT)
    worker.wait(60)
    asked.refresh_from_db()
    backup.refresh_from_db()
    assert (asked.state, asked.failure_code) == (State.FAILED, "copy_differs"), asked.failure_why
    assert "orders have other values" in asked.failure_why
    assert (backup.state, backup.drilled_at) == ("bad", None)
    assert_nothing_left(console, shop, asked)


@SQLITE_AT_NIGHT
@pytest.mark.serial
@pytest.mark.parametrize(
    "point",
    [
        "verify.restored",
        *(pytest.param(p, marks=pytest.mark.nightly) for p in ("restore.staging_half", "verify.recorded")),
    ],
)
def test_a_drill_that_is_killed_leaves_no_scratch_and_is_repeated(console, cast, any_shop, point):
    shop, row = any_shop
    backup = backed_up(console, cast, row)
    operation = die_at(console, operations.request("verify", row, {}, account=cast.ada), point, "worker")
    if operation.state == State.QUEUED:
        assert shop.leftovers() == []
        Operation.objects.filter(pk=operation.pk).update(run_after=None)
        work(console, operation)
    assert operation.state == State.SUCCEEDED, f"{operation.state_reason} {operation.failure_why}"
    backup.refresh_from_db()
    assert [check["level"] for check in backup.checks] == ["V1", "V2"]
    assert_nothing_left(console, shop, operation)


@pytest.fixture
def humble_shop(strict_umask: None, console: Console, cast: Any, postgres: Any) -> tuple[PostgresShop, Database]:
    """A shop whose owner may not create databases."""
    shop = PostgresShop.make(postgres)
    role = postgres.create_role()
    postgres.run(f'ALTER DATABASE "{shop.name}" OWNER TO "{role.name}"')
    for table in ("customers", "orders"):
        postgres.run(f'ALTER TABLE {table} OWNER TO "{role.name}"', shop.name)
    return shop, register("shop", postgres.url(shop.name, role=role), environment="development")


def test_without_the_right_to_create_databases_the_drill_has_a_server_of_its_own(console, cast, humble_shop):
    _, row = humble_shop
    backed_up(console, cast, row)
    operation = verify(console, cast, row, "V2")
    assert operation.state == State.SUCCEEDED, operation.failure_why
    assert operation.result["where"] == "embedded"
    assert "may not create databases" in operation.plan.evidence["where"]
    assert grounds() == []
    assert not process.marked(f"{operation.id}.{operation.fence}", instance=instance_id())
    with pytest.raises(Exception, match="may not create databases"):
        operations.request("verify", row, {"where": "same_server"}, account=cast.ada)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder into which a server of any user could write."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def test_what_a_database_defines_starts_no_program_on_the_consoles_host(console, cast, humble_shop, open_folder):
    _, row = humble_shop
    witness = open_folder / "started"
    with psycopg.connect(url_of(row)) as owner:
        owner.execute("CREATE SCHEMA mine")
        owner.execute(
            "CREATE FUNCTION mine.f(x int) RETURNS bool LANGUAGE plpgsql AS $f$ BEGIN"
            f" BEGIN EXECUTE $c$COPY (SELECT 1) TO PROGRAM 'touch {witness}'$c$;"
            " EXCEPTION WHEN OTHERS THEN NULL; END; RETURN true; END $f$"
        )
        owner.execute("CREATE TABLE mine.t (x int CHECK (mine.f(x)))")
        owner.execute("INSERT INTO mine.t VALUES (1)")
    backed_up(console, cast, row)
    operation = verify(console, cast, row, "V2")
    assert operation.result["where"] == "embedded", operation.failure_why
    assert not witness.exists()


@pytest.mark.serial
def test_a_killed_drill_takes_its_server_with_it(console, cast, humble_shop):
    _, row = humble_shop
    backed_up(console, cast, row)
    asked = operations.request("verify", row, {"where": "embedded"}, account=cast.ada)
    operation = die_at(console, asked, "verify.restored", "worker")
    assert operation.state == State.QUEUED
    assert grounds() == []
    assert not process.marked(f"{operation.id}.{operation.fence}", instance=instance_id())


def test_the_backup_of_a_database_that_is_gone_can_still_be_drilled(console, cast, any_shop):
    shop, row = any_shop
    backup = backed_up(console, cast, row)
    shop.path.unlink() if shop.engine == "sqlite" else shop.server.drop_database(shop.name)
    operation = verify(console, cast, row, "V2")
    assert operation.state == State.SUCCEEDED, operation.failure_why
    assert operation.result["where"] == "embedded"
    backup.refresh_from_db()
    assert backup.drilled_at is not None
    assert (grounds(), list((console.home / "store" / "work").glob("*"))) == ([], [])


def test_a_backup_that_can_be_read_and_not_restored_is_found_out_by_a_drill_alone(console, cast, postgres_shop):
    shop, row = postgres_shop
    shop.tamper(shop.name, "{no_keys} UPDATE orders SET customer_id = 99 WHERE id = 5")  # an orphan under a valid key
    backup = backed_up(console, cast, row)
    assert verify(console, cast, row, "V1").state == State.SUCCEEDED
    operation = verify(console, cast, row, "V2")
    assert (operation.state, operation.failure_code) == (State.FAILED, "not_restorable"), operation.failure_why
    assert "violates foreign key constraint" in operation.failure_why
    backup.refresh_from_db()
    assert backup.state == "bad"
    assert shop.leftovers() == []


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ('pg_restore failed: could not create unique index "no space left"', "not_restorable"),
        ("pg_restore failed: could not extend file: No space left on device", "tool_failed"),
        ('pg_restore failed: error: role "boss" does not exist', "tool_failed"),
        ('pg_restore failed: permission denied for schema "x"', "tool_failed"),
        ("Copying data/1 failed: consuming input failed: SSL SYSCALL error: EOF detected", "tool_failed"),
        ("pg_restore failed: error: cannot execute CREATE TABLE in a read-only transaction", "tool_failed"),
        ('pg_restore failed: error: could not create file "base/5/16": File exists', "tool_failed"),
        ('pg_restore failed: error: database "shop__oc_1_2" does not exist', "tool_failed"),
    ],
)
def test_what_a_program_says_of_the_place_is_not_blamed_on_the_backup(said, code):
    for where, expected in (("same_server", code), ("embedded", "tool_failed")):
        with pytest.raises(OperationFailed) as found, verification._blaming(where):
            raise OperationFailed("tool_failed", said)
        assert found.value.code == expected


@pytest.mark.serial
def test_a_store_that_is_taken_away_meanwhile_does_not_make_its_backup_a_damaged_one(console, cast, postgres_shop):
    _, row = postgres_shop
    backup = backed_up(console, cast, row)
    asked = operations.request("verify", row, {}, account=cast.ada)
    store, away = console.home / "store", console.home / "away"
    worker = start_worker(console, asked, "verify.restored:stop")
    wait_until(lambda: worker.poll() is not None or is_stopped_at_failpoint(asked), what="the stop")
    store.rename(away)
    for pid in process.marked(f"{asked.id}.{asked.fence}"):
        os.kill(pid, signal.SIGCONT)
    worker.wait(60)
    shutil.rmtree(store, ignore_errors=True)
    away.rename(store)
    asked.refresh_from_db()
    backup.refresh_from_db()
    assert (asked.state, asked.failure_code) == (State.FAILED, "store_missing"), asked.failure_why
    assert backup.state == "good"


def test_what_the_own_server_cannot_restore_is_refused_with_a_way_out(console, cast, humble_shop):
    _, row = humble_shop
    contents = manifest_of(backed_up(console, cast, row)).contents
    for facts, code in (
        ({"extensions": {"postgis": "3"}}, "missing_extension"),
        ({"version_number": 190001}, "version"),
    ):
        (refusal,) = refusals("postgresql", replace(contents, source={**contents.source, **facts}))
        assert (refusal[0], "same server" in refusal[2]) == (code, True)
    assert refusals("postgresql", replace(contents, source={**contents.source, "extensions": {"vector": "1"}})) == []
