"""The shape that a database has today, or that another one has, becomes a rule that somebody confirms."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from integrity.pages.shape import MIGRATIONS
from integrity.rules.in_force import rules_of
from integrity.rules.taking import NAME, differences
from opsconsole import operations
from opsconsole.models import Database, Operation
from tests.lifecycle.conftest import any_shop as any_shop
from tests.lifecycle.conftest import postgres_shop as postgres_shop
from tests.lifecycle.conftest import sqlite_shop as sqlite_shop
from tests.lifecycle.migrating.conftest import Scene
from tests.opsconsole.approvals.scenes import approve
from tests.opsconsole.pages.conftest import Office
from tests.support.cases import work
from tests.support.commands import Say, speaker
from tests.support.console import Console
from tests.support.people import Cast
from tests.support.registering import register
from tests.support.shops import SqliteShop

NOTES = (
    'CREATE TABLE "Notes" (id INTEGER PRIMARY KEY, said TEXT);\nCREATE INDEX n ON "Notes" (said);\n'
    'CREATE UNIQUE INDEX "M" ON "Notes" (said, id);\n'
)


@pytest.fixture
def say(console: Console, monkeypatch: pytest.MonkeyPatch) -> Say:
    return speaker(monkeypatch)


@pytest.fixture
def migrated(console: Console, sqlite_shop: Any) -> Database:
    """A copy of the shop that has a table more."""
    shop, _ = sqlite_shop
    shutil.copy(shop.path, console.files / "migrated.sqlite")
    copy = SqliteShop(console.files / "migrated.sqlite")
    copy.change("CREATE TABLE invoices (id integer PRIMARY KEY)")
    return register("migrated", copy.url, environment="development")


def test_todays_shape_is_printed_as_a_rule_and_set_by_a_confirmed_change(say: Say, cast: Cast, sqlite_shop: Any):
    shop, row = sqlite_shop
    (rule,) = say("shape", "show", "shop", "--json").json["rules"]
    assert [table["name"] for table in rule["spec"]["tables"]] == ["customers", "orders"]
    asked = say("shape", "set", "shop", "--reason", "Nobody drops a table unseen.", "--json", account=cast.ada)
    assert asked.code == 3, asked.err
    approve(cast.grace, Operation.objects.get(pk=asked.json["id"]))
    (kept,) = rules_of(row)
    assert (kept.name, dict(kept.spec)) == (NAME, rule["spec"])
    assert differences(kept, row) == []
    shop.change("ALTER TABLE orders RENAME TO purchases")
    assert differences(kept, row) == [
        "The table orders is missing.",
        "The index idx_orders_customer on orders (customer_id) is missing.",
    ]


def test_the_shape_of_a_migrated_database_tells_what_another_one_lacks(
    cast: Cast, sqlite_shop: Any, migrated: Database
):
    _, row = sqlite_shop
    ada = Office(people=cast, savings=row, sandbox=row).at("ada")
    own = ada.get("/databases/shop/shape/").content.decode()
    assert "Ask to expect this of shop" in own and '<option value="migrated">' in own
    shown = ada.get("/databases/shop/shape/", {"like": "migrated"}).content.decode()
    assert "shop is not like that now" in shown and "The table invoices is missing." in shown
    ada.post("/databases/shop/shape/", {"like": "migrated", "reason": "It is to be migrated."})
    approve(cast.grace, Operation.objects.latest("id"))
    (kept,) = rules_of(row)
    assert "invoices" in [table["name"] for table in kept.spec["tables"]]
    assert "taken from migrated" in kept.hint
    assert ada.get("/databases/shop/shape/", {"like": "elsewhere"}).status_code == 400


def test_the_shape_that_a_migration_folder_builds_tells_what_a_database_lacks(
    console: Console, cast: Cast, any_shop: Any, say: Say
):
    full = "public." if any_shop[1].engine == "postgresql" else ""
    scene = Scene(console, cast, *any_shop)
    refused = say("shape", "set", "shop", "--migrations", "--reason", "as built", "--json", account=cast.ada)
    assert refused.json["refused"] == "no_head"
    ada = Office(people=cast, savings=scene.row, sandbox=scene.row).at("ada")
    assert "request/rehearse/?mode=fresh" in ada.get("/databases/shop/shape/").content.decode()
    scene.bring({"0001_notes.sql": NOTES})
    given = {"mode": "fresh", "tool": scene.tool}
    work(scene.console, operations.request("rehearse", scene.row, given, account=cast.ada))
    shown = ada.get("/databases/shop/shape/", {"like": MIGRATIONS}).content.decode()
    assert f"The table {full}Notes is missing." in shown and "The index n is missing." in shown
    asked = say("shape", "set", "shop", "--migrations", "--reason", "as built", "--json", account=cast.ada)
    assert f"The table {full}Notes is missing." in asked.err
    approve(cast.grace, Operation.objects.get(pk=asked.json["id"]))
    (kept,) = rules_of(scene.row)
    assert sorted(index["name"] for index in kept.spec["indexes"]) == ["M", "n"]
    (notes,) = (table for table in kept.spec["tables"] if table["name"] == f"{full}Notes")
    assert [column["name"] for column in notes["columns"]] == ["id", "said"]
