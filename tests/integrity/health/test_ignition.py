"""What Ignition documents of its db-health: the answer, and the cleanup with the same names."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from integrity.health.looking import look_at
from integrity.models import HealthWatch
from opsconsole import operations, packs, tokens
from opsconsole.packs import loading
from opsconsole.states import State
from tests.integrity import packs as of_packs
from tests.opsconsole.approvals.scenes import approve
from tests.support.cases import work

GROUNDS = Path(of_packs.__file__).with_name("grounds")
BY_HAND = {
    "nullEmailUsers": "SELECT count(*) FROM users WHERE email IS NULL",
    "nullNameUsers": "SELECT count(*) FROM users WHERE name IS NULL",
    "orphanedAccounts": "SELECT count(*) FROM accounts WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = userId)",
    "orphanedSessions": "SELECT count(*) FROM sessions WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = userId)",
    "expiredSessions": "SELECT count(*) FROM sessions WHERE julianday(expires) < julianday('now')",
}


def test_the_documented_answer_and_its_cleanup(console: Any, cast: Any, sqlite_shop: Any) -> None:
    shop, row = sqlite_shop
    shop.change((GROUNDS / "ignition_d1.sql").read_text())

    def by_hand() -> dict[str, int]:
        with closing(sqlite3.connect(shop.path)) as db:
            return {name: db.execute(query).fetchone()[0] for name, query in BY_HAND.items()}

    def answer() -> Any:
        HealthWatch.objects.update(claimed_at=None)
        told = Client().get("/api/databases/shop/health?fresh=1", headers={"Authorization": f"Bearer {text}"})
        return told.json()

    _, text = tokens.mint(cast.ada, "monitor", scopes=["see"], databases=["shop"])
    approve(cast.grace, loading.load(packs.get("ignition"), row, account=cast.ada, reason="As the docs say"))
    wrong = by_hand()
    assert all(wrong.values())
    told = answer()
    assert (told["status"], told["checks"]) == ("unhealthy", wrong)
    client = Client()
    client.force_login(cast.ada, backend="opsconsole.permissions.RoleBackend")
    assert "/databases/shop/request/fix/?names=cleanup" in client.get("/databases/shop/").content.decode()
    everything = operations.draft("fix", row, {"names": "all"}, account=cast.ada)
    assert everything.risk_reasons[-1] == "Nothing is proposed for what nullEmailUsers, nullNameUsers count."
    names = "expiredSessions,orphanedAccounts,orphanedSessions"
    asked = operations.request("fix", row, {"names": names}, account=cast.ada, confirm="shop")
    fixed = work(console, asked if asked.state == State.QUEUED else approve(cast.grace, asked))
    assert fixed.state == State.SUCCEEDED, fixed.failure_why
    left = by_hand()
    assert [name for name, count in left.items() if count] == ["nullEmailUsers", "nullNameUsers"]
    assert answer()["checks"] == left
    assert "Nothing is proposed for what these rules count" in client.get("/databases/shop/").content.decode()
    assert 'href="/databases/shop/#health"' in client.get(f"/operations/{fixed.pk}/").content.decode()
    shop.change("UPDATE users SET email = coalesce(email, id || '@example.test'), name = coalesce(name, id)")
    shop.change("INSERT INTO sessions SELECT 'old' || id, 'old' || id, id, '2020-01-01T00:00:00Z' FROM users LIMIT 5")
    told = answer()
    assert (told["status"], told["checks"]["expiredSessions"]) == ("healthy", by_hand()["expiredSessions"])


@pytest.fixture
def club(postgres_shop: Any) -> Any:
    """(the shop, its row): what Ignition's database is once it was converted to PostgreSQL."""
    shop, row = postgres_shop
    shop.change((GROUNDS / "ignition_postgres.sql").read_text())
    return shop, row


def test_the_same_names_on_postgresql(cast: Any, club: Any) -> None:
    _, row = club
    approve(cast.grace, loading.load(packs.get("ignition"), row, account=cast.ada, reason="As the docs say"))
    look = look_at(row)
    assert sorted(look.checks) == sorted(BY_HAND) and None not in look.checks.values()
    assert not look.healthy and not look.problem
