"""Both kinds on SQLite files whose ways differ from the usual: rollback mode, and tables of D1's runtime."""

from __future__ import annotations

from typing import Any

from opsconsole import operations
from opsconsole.states import State
from tests.support import sqlite_files as files
from tests.support.cases import work
from tests.support.console import Console
from tests.support.registering import register
from tests.support.shops import ORDERS, SqliteShop


def done(console: Console, row: Any, cast: Any, kind: str, **options: str) -> Any:
    operation = work(console, operations.request(kind, row, {}, account=cast.ada, **options))
    assert operation.state == State.SUCCEEDED, operation.state_reason
    return operation


def test_in_rollback_mode_preconditions_are_read_while_nobody_else_can(console: Console, cast: Any) -> None:
    shop = SqliteShop.make(console.files, journal="DELETE")
    row = register("shop", shop.url, environment="development")
    done(console, row, cast, "backup")
    shop.lose(10)
    done(console, row, cast, "restore", confirm="shop")
    assert (shop.orders(), shop.leftovers()) == (ORDERS, [])


def test_a_schema_that_moved_after_planning_makes_a_restore_stale(console: Console, cast: Any) -> None:
    shop = SqliteShop.make(console.files, journal="DELETE")
    row = register("shop", shop.url, environment="development")
    done(console, row, cast, "backup")
    operation = operations.request("restore", row, {}, account=cast.ada, confirm="shop")
    files.run_sql(shop.path, "CREATE TABLE more (a)")
    assert work(console, operation).state == State.STALE
    assert files.rows(shop.path, "SELECT count(*) FROM more") == [(0,)]


def test_the_runtime_of_d1_keeps_its_tables_through_a_restore(console: Console, cast: Any) -> None:
    live = files.d1(console.files / "ignition.sqlite")
    row = register("ignition", f"sqlite:///{live}", environment="development")
    done(console, row, cast, "backup")
    files.run_sql(live, "DELETE FROM users", "UPDATE _cf_METADATA SET value = 'later'")
    done(console, row, cast, "restore", confirm="ignition")
    assert files.rows(live, "SELECT count(*) FROM users") == [(20,)]
    assert files.rows(live, "SELECT value FROM _cf_METADATA") == [("later",)]
