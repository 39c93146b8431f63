"""Two backups of one moment, and backups of a part: what is listed, what is refused, and what a drill finds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from backports import zstd

from lifecycle.backups.archives import previous_of
from lifecycle.backups.choices import latest
from lifecycle.formats import format_of
from lifecycle.formats.base import SCRATCH, Archive
from lifecycle.models import Backup
from opsconsole import operations
from opsconsole.engines import engine_class_for, open_engine
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Operation
from opsconsole.states import State
from opsconsole.storage import FolderStore
from tests.lifecycle.conftest import stored_files
from tests.lifecycle.test_crashes import assert_nothing_left, die_at
from tests.support.cases import work
from tests.support.fake_run import FakeRun
from tests.support.shops import PostgresShop, SqliteShop

SQLITE_FIRST = pytest.mark.parametrize(
    "any_shop", ["sqlite", pytest.param("postgresql", marks=pytest.mark.nightly)], indirect=True
)
POSTGRESQL_FIRST = pytest.mark.parametrize(
    "any_shop", ["postgresql", pytest.param("sqlite", marks=pytest.mark.nightly)], indirect=True
)


def backup(console: Any, cast: Any, row: Any, **given: str) -> Backup:
    operation = work(console, operations.request("backup", row, given, account=cast.ada))
    assert operation.state == State.SUCCEEDED, operation.failure_why
    return Backup.objects.get(pk=operation.result["backup"])


def drill(console: Any, cast: Any, of: Backup) -> Operation:
    return work(console, operations.request("verify", of.database, {"backup": str(of.pk)}, account=cast.ada))


@POSTGRESQL_FIRST
def test_twins_are_of_one_moment_and_prove_each_other(console, cast, any_shop):
    shop, row = any_shop
    native = backup(console, cast, row, twin="yes")
    portable = native.twin
    assert (native.format, portable.format, portable.twin) == ("native", "json", native)
    assert (native.rows, native.tables, native.started_at) == (portable.rows, portable.tables, portable.started_at)
    assert latest(Backup.objects.all()) == native
    shop.lose(3)
    for each in (native, portable):
        proven = drill(console, cast, each)
        assert proven.state == State.SUCCEEDED, proven.failure_why
        assert f"so do those of its twin, backup {each.twin_id}" in proven.result["summary"]
    assert shop.leftovers() == []


@pytest.mark.parametrize("vendor", ["sqlite", pytest.param("postgresql", marks=pytest.mark.nightly)])
def test_twins_that_hold_other_rows_are_found_out(vendor, request, tmp_path):
    sqlite = vendor == "sqlite"
    shop = SqliteShop.make(tmp_path / "files") if sqlite else PostgresShop.make(request.getfixturevalue("postgres"))
    (tmp_path / "work").mkdir()
    run = FakeRun(operation_id=7, fence=2, workdir=tmp_path / "work")
    engine = open_engine(engine_class_for(shop.url).parse(shop.url, roots=[tmp_path]), run.label)
    native, portable = format_of(vendor, "native"), format_of(vendor, "json")
    first, second = (Archive(store=FolderStore(tmp_path / "store"), folder=name, part=run.part) for name in "ab")
    before = portable.write(engine, second, run)
    shop.lose(150)
    after = native.write(engine, first, run)
    prepared = native.prepare(engine, first, after, run, method=SCRATCH)
    (found,) = portable.rows_beside(engine, second, before, prepared, run)
    assert "orders" in found
    native.clean_up(engine, 7, 2)
    assert (shop.leftovers(), list(tmp_path.glob("work/*.twin"))) == ([], [])


@pytest.mark.nightly
def test_twins_whose_runner_dies_between_their_manifests_are_both_taken_again(console, cast, sqlite_shop):
    shop, row = sqlite_shop
    asked = operations.request("backup", row, {"twin": "yes"}, account=cast.ada)
    operation = die_at(console, asked, "backup.manifest_renamed", "runner")
    assert (operation.state, Backup.objects.count(), stored_files(console)) == (State.QUEUED, 0, [])
    Operation.objects.filter(pk=operation.pk).update(run_after=None)
    work(console, operation)
    assert (operation.state, Backup.objects.exclude(twin=None).count()) == (State.SUCCEEDED, 2)
    assert_nothing_left(console, shop, operation)


def test_a_damaged_twin_says_nothing_of_the_backup(client, console, cast, sqlite_shop):
    native = backup(console, cast, sqlite_shop[1], twin="yes")
    path = console.home / "store" / native.twin.key / "document.json.zst"
    path.write_bytes(path.read_bytes()[:-4])
    failed = drill(console, cast, native)
    native.refresh_from_db()
    assert (failed.state, failed.failure_code, native.state) == (State.FAILED, "twin_damaged", "good")
    client.force_login(cast.ada)
    for page in ("/databases/shop/backups/", native.get_absolute_url()):
        assert f'href="/backups/{native.twin_id}/">' in client.get(page).content.decode()


def documents(console: Any, of: Backup) -> dict[str, Any]:
    folder = console.home / "store" / of.key
    read = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*json*")}
    return {name: json.loads(zstd.decompress(data) if name.endswith(".zst") else data) for name, data in read.items()}


@SQLITE_FIRST
def test_a_part_of_the_tables_is_written_proven_and_never_the_latest(client, console, cast, any_shop):
    shop, row = any_shop
    part = backup(console, cast, row, format="json", tables="customers", layout="tables")
    held = documents(console, part)
    assert held["tables/0001.customers.json.zst"]["tables"]["customers"][0]["name"] == "customer 1"
    assert held["summary.json"]["tables"]["customers"]["rows"] == held["summary.json"]["rows"] == 10
    assert (part.part, part.rows, part.tables) == ("1 of 2 tables", 10, 1)
    assert drill(console, cast, part).state == State.SUCCEEDED
    bare = backup(console, cast, row, format="json", schema_only="yes")
    assert (bare.part, bare.rows, bare.tables) == ("the schema only", 0, 0)
    assert (latest(Backup.objects.all()), previous_of(bare), shop.leftovers()) == (None, None, [])
    with pytest.raises(Refused) as refused:
        operations.draft("restore", row, {"method": "swap", "backup": str(part.pk)}, account=cast.ada)
    assert refused.value.code == "part"
    client.force_login(cast.ada)
    for page in ("/databases/shop/backups/", part.get_absolute_url()):
        assert "1 of 2 tables" in client.get(page).content.decode()


@pytest.mark.nightly  # the contract of formats shows it for the format alone
def test_a_whole_portable_backup_is_put_back_with_its_definitions(console, cast, any_shop):
    shop, row = any_shop
    backup(console, cast, row, format="json")
    shop.lose(5)
    with pytest.raises(Usage) as unsaid:
        operations.draft("restore", row, {}, account=cast.ada)
    assert (unsaid.value.code, "method" in unsaid.value.next_step) == ("mode_needed", True)
    asked = operations.request("restore", row, {"method": "swap"}, account=cast.ada, confirm="shop")
    assert work(console, asked).state == State.SUCCEEDED, asked.failure_why
    assert (shop.orders(), shop.leftovers()) == (200, [])


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"tables": "orders"}, "whole_only"),
        ({"format": "native", "layout": "tables"}, "whole_only"),
        ({"format": "custom"}, "unknown_format"),
        ({"format": "json", "tables": "customers, nowhere"}, "unknown_table"),
        ({"twin": "yes", "without": "orders"}, "twins_whole"),
    ],
)
def test_settings_that_do_not_fit_are_refused_with_the_reason(cast, sqlite_shop, given, code):
    with pytest.raises(Refused) as refused:
        operations.draft("backup", sqlite_shop[1], given, account=cast.ada)
    assert (refused.value.code, bool(refused.value.next_step)) == (code, True)


def test_the_form_offers_what_fits_the_database(client, cast, sqlite_shop):
    client.force_login(cast.ada)
    page = client.get("/databases/shop/request/backup/").content.decode()
    assert ('value="json"' in page, 'value="custom"' in page) == (True, False)
    for name in ("twin", "tables", "without", "schema_only", "layout"):
        assert f'name="{name}"' in page
