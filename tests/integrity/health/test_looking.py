"""A look tells figures of the server and counts of rules, ends in time, and says what it could not see."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
import pytest

from integrity.checks.base import BUSINESS, Severity
from integrity.health import counting, looking
from integrity.health.counting import Counted, count_all
from integrity.rules.base import Spec
from integrity.rules.requested import kind_called
from opsconsole.embedded.postgresql import EmbeddedPostgres
from opsconsole.engines.postgresql import PostgresEngine
from opsconsole.exceptions import TargetProblem
from opsconsole.models import Database
from tests.integrity.conftest import Ground
from tests.integrity.health.conftest import rule
from tests.support.registering import register
from tests.support.servers import PostgresServer, shared_folder
from tests.support.shops import SqliteShop

NOTES = (
    "CREATE TABLE notes (id integer PRIMARY KEY, said text); INSERT INTO notes VALUES (1, 'a'), (2, NULL), (3, NULL)"
)


def counted(ground: Ground, *rules: Any) -> dict[str, Counted]:
    return {each.name: each for each in count_all(ground.engine, "ground", rules, before={})}


def test_a_database_tells_how_it_stands(ground: Ground) -> None:
    ground.change(NOTES)
    told = ground.engine.vitals(seconds=5).to_json()
    assert told["latency_ms"] > 0 and told["connect_ms"] > 0 and told["size_bytes"] > 4096
    if ground.vendor == "sqlite":
        assert (told["journal"], "connections" in told, "role" in told) == ("wal", False, False)
        assert told["wal_bytes"] >= 0 and told["free_bytes"] == 0
    else:
        assert (told["role"], told["replicas"], "lag_seconds" in told) == ("primary", 0, False)
        assert 0 <= told["connections"] < told["connections_most"] == 97
        assert told["longest_transaction_seconds"] == 0


def test_an_open_transaction_and_whoever_waits_for_it_are_seen(on_postgres: Ground, postgres: Any) -> None:
    on_postgres.change(NOTES)
    with psycopg.connect(on_postgres.url) as idle:
        idle.execute("SELECT count(*) FROM notes")
        told = on_postgres.engine.vitals(seconds=5)
    assert told.longest_transaction_seconds is not None and told.longest_transaction_seconds >= 0
    assert (told.connections or 0) >= 1 and told.waiting == 0


def test_a_role_that_may_not_see_others_says_so_instead_of_saying_none(on_postgres: Ground, postgres: Any) -> None:
    role = postgres.fresh_name("watcher")
    on_postgres.change(f"CREATE ROLE {role} LOGIN PASSWORD 'for tests only'")
    url = on_postgres.url.replace(f"{postgres.user}:{postgres.password}@", f"{role}:for%20tests%20only@")
    with psycopg.connect(on_postgres.url) as other:
        other.execute("SELECT 1")
        told = PostgresEngine(PostgresEngine.parse(url)).vitals(seconds=5)
    assert told.longest_transaction_seconds is None and "pg_monitor" in told.unknown["longest_transaction_seconds"]


@pytest.mark.nightly
def test_a_standby_says_that_it_is_one() -> None:
    with shared_folder() as folder:
        server = EmbeddedPostgres(folder / "pg", major=16, durable=False)
        server.start(log=folder / "log")
        server.stop()
        (server.data / "standby.signal").touch()
        server.start(log=folder / "log")
        try:
            url = PostgresServer(server).url()
            told = PostgresEngine(PostgresEngine.parse(str(url))).vitals(seconds=5)
        finally:
            server.stop()
    assert (told.role, told.replicas) == ("standby", 0)
    assert told.lag_seconds is None or told.lag_seconds >= 0  # it never had a primary to be behind


def test_rules_are_counted_and_only_critical_ones_spoil_the_health(ground: Ground) -> None:
    ground.change(NOTES)
    told = counted(
        ground,
        rule("nullNotes", "notes", "t.said IS NULL"),
        rule("someNotes", "notes", "t.id > 0", severity="info", people=True),
        rule("fewNotes", "notes", "t.id > 0", threshold=3),
    )
    assert {name: (each.count, each.breaks, each.spoils) for name, each in told.items()} == {
        "nullNotes": (2, True, True),
        "someNotes": (3, True, False),
        "fewNotes": (3, False, False),
    }


def test_a_rule_that_cannot_be_asked_is_null_with_its_reason_and_spoils_the_health(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.change(NOTES)
    slow = {
        "sqlite": "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n) > 0",
        "postgresql": "pg_sleep(30) IS NOT NULL",
    }[ground.vendor]
    monkeypatch.setattr(counting, "RULE_SECONDS", 0.2)
    told = counted(
        ground,
        rule("gone", "nowhere", "true", severity="info"),
        rule("noColumn", "notes", "t.missing IS NULL", severity="warning"),
        rule("slow", "notes", slow),
        rule("zeroNotes", "notes", "t.id < 0"),
    )
    assert {name: each.count for name, each in told.items()} == {
        "gone": None, "noColumn": None, "slow": None, "zeroNotes": 0,
    }  # fmt: skip
    assert all(told[name].spoils and told[name].why and told[name].next_step for name in ("gone", "noColumn", "slow"))
    assert "longer than" in told["slow"].why and "missing" in told["noColumn"].why


def test_what_no_time_is_left_for_is_not_called_sound(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.change(NOTES)
    monkeypatch.setattr(counting, "ALL_SECONDS", 0.0)
    told = counted(ground, rule("nullNotes", "notes", "t.said IS NULL"))
    assert told["nullNotes"].spoils and "took all" in told["nullNotes"].why


def test_every_kind_of_rule_is_counted_whatever_its_threshold(ground: Ground) -> None:
    ground.change(
        "CREATE TABLE users (id integer PRIMARY KEY, email text, logins integer);"
        "CREATE TABLE sessions (id integer PRIMARY KEY, user_id integer, expires text);"
        "INSERT INTO users VALUES (1, 'a@example.test', 2), (2, NULL, 0), (3, 'a@example.test', 0);"
        "INSERT INTO sessions VALUES (1, 1, '2020-01-01 00:00:00'), (2, 9, '2999-01-01 00:00:00')"
    )
    specs: dict[str, dict[str, Any]] = {
        "orphan": {"child": "sessions", "column": "user_id", "parent": "users", "key": "id"},
        "row": {"table": "users", "violates": "t.email IS NULL"},
        "aggregate": {"table": "users", "column": "logins", "of": "sessions", "by": "user_id"},
        "unique": {"table": "users", "columns": ["email"]},
        "expired": {"table": "sessions", "column": "expires"},
        "count": {"table": "sessions", "least": 5},
        "sql": {"query": "SELECT id FROM users WHERE logins = 0", "says": "everybody logged in"},
        "reference": {"table": "users", "key": ["id"], "rows": [{"id": 1}, {"id": 7}]},
        "shape": {"tables": [{"name": "wallets"}]},
    }  # fmt: skip
    rules = [
        Spec(
            name=kind, kind=kind, spec=kind_called(kind).checked(spec), severity=Severity.WARNING, category=BUSINESS,
            threshold=50, health=kind,
        )
        for kind, spec in specs.items()
    ]  # fmt: skip
    told = counted(ground, *rules)
    assert {name: each.why for name, each in told.items() if each.count is None} == {}
    assert {name: each.count for name, each in told.items()} == {
        "orphan": 1, "row": 1, "aggregate": 1, "unique": 2, "expired": 1, "count": 3, "sql": 2, "reference": 1,
        "shape": 1,
    }  # fmt: skip
    assert not any(each.breaks for each in told.values())


def test_a_look_has_the_documented_shape(any_shop: Any, asked: Callable[..., None]) -> None:
    shop, row = any_shop
    asked(
        rule("bigOrders", "orders", "t.cents > 990", severity="info"),
        rule("cheapOrders", "orders", "t.cents < 0"),
    )
    told = looking.look_at(row).to_json()
    assert (told["status"], told["checks"], told["problem"]) == ("healthy", {"bigOrders": 2, "cheapOrders": 0}, None)
    assert told["details"]["summary"] == {"healthy": True, "issues": ["bigOrders counts 2"]}
    assert told["details"]["bigOrders"]["rules"][0]["holds"] == "no row of orders has t.cents > 990"
    shop.change("UPDATE orders SET cents = -1 WHERE id = 1")
    told = looking.look_at(row).to_json()
    assert (told["status"], told["checks"]["cheapOrders"]) == ("unhealthy", 1)


def test_a_file_that_another_program_keeps_for_itself_is_unhealthy_and_locked(
    console: Any, cast: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = SqliteShop.make(console.files, journal="DELETE")
    row = register("shop", shop.url, environment="development")
    monkeypatch.setattr(looking, "STEP_SECONDS", 0.2)
    with closing(sqlite3.connect(shop.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        look = looking.look_at(row)
    assert (look.healthy, look.code) == (False, "locked") and look.next_step


def test_a_server_that_takes_a_connection_and_never_answers_is_given_up(
    sqlite_shop: Any, asked: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, row = sqlite_shop
    asked(rule("nullNotes", "notes", "true"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://somebody:hush@127.0.0.1:{silent.getsockname()[1]}/shop"
        monkeypatch.setattr(looking, "engine_for", lambda _: PostgresEngine(PostgresEngine.parse(url)))
        monkeypatch.setattr(looking, "STEP_SECONDS", 1.0)
        look = looking.look_at(row)
    assert (look.healthy, look.code, look.checks) == (False, "timeout", {"nullNotes": None})
    assert "hush" not in str(look.to_json())


def test_a_database_that_is_not_there_is_told_with_what_to_do(sqlite_shop: Any) -> None:
    shop, row = sqlite_shop
    shop.path.unlink()
    look = looking.look_at(Database.objects.get(pk=row.pk))
    assert (look.healthy, look.code) == (False, "missing") and look.next_step
    with pytest.raises(TargetProblem):
        looking.engine_for(row).vitals(seconds=1)
