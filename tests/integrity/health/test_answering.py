"""The health of a database as programs and people are told it: endpoint, command, overview."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from integrity.health import keeping
from integrity.models import HealthSample, HealthWatch
from opsconsole import tokens
from opsconsole.api import base as api
from opsconsole.api.attempts import MOST, Attempts
from opsconsole.clock import now
from opsconsole.models import AuditEvent, Token
from tests.integrity.health.conftest import rule
from tests.support.people import PASSWORD
from tests.support.registering import register
from tests.support.shops import SqliteShop

URL = "/api/databases/shop/health"


@pytest.fixture(autouse=True)
def nobody_failed_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_attempts", Attempts())


def ask(account: Any, url: str = URL, **how: Any) -> Any:
    _, text = tokens.mint(account, "monitor", **how)
    return Client().get(url, headers={"Authorization": f"Bearer {text}"})


def test_an_owner_of_a_token_gets_the_documented_shape(
    cast: Any, any_shop: Any, asked: Callable[..., None], settings: Any
) -> None:
    shop, _row = any_shop
    asked(rule("bigOrders", "orders", "t.cents > 990", severity="info"), rule("cheapOrders", "orders", "t.cents < 0"))
    nothing = ask(cast.ada)
    assert (nothing.status_code, nothing.json()["status"]) == (200, "unknown")
    assert nothing.json()["problem"]["next"]
    told = ask(cast.ada, f"{URL}?fresh=1")
    facts = told.json()
    assert (told.headers["Content-Type"], facts["status"]) == ("application/json", "healthy")
    assert facts["checks"] == {"bigOrders": 2, "cheapOrders": 0}
    assert facts["sampled_at"] and facts["figures"]["latency_ms"] > 0 and "no-store" in told.headers["Cache-Control"]
    shop.change("UPDATE orders SET cents = -1 WHERE id = 1")
    assert ask(cast.audrey, f"{URL}?fresh=1").json()["status"] == "healthy"  # it was asked a moment ago
    assert HealthSample.objects.count() == 1
    HealthWatch.objects.update(claimed_at=now() - timedelta(seconds=11))
    assert ask(cast.audrey, f"{URL}?fresh=1").json()["checks"]["cheapOrders"] == 1
    assert ask(cast.ada).json()["status"] == "unhealthy"
    HealthWatch.objects.update(sampled_at=now() - timedelta(hours=1))
    assert ask(cast.ada).json()["status"] == "unknown"


def test_whoever_may_not_ask_is_told_why_in_json(console: Any, cast: Any, sqlite_shop: Any) -> None:
    client = Client()
    register("other", SqliteShop.make(console.files / "other").url, environment="development")
    assert client.post("/login/", {"username": "ada", "password": PASSWORD}).status_code == 302
    answers = {
        "a cookie is no token": (client.get(URL), 401),
        "another scheme": (Client().get(URL, headers={"Authorization": "Basic YTpi"}), 401),
        "nobody's token": (Client().get(URL, headers={"Authorization": f"Bearer ops_00000000_{'a' * 43}"}), 401),
        "expired": (ask(cast.ada, expires_at=now() - timedelta(seconds=1)), 401),
        "a stranger": (ask(cast.mallory), 404),
        "no such database": (ask(cast.ada, "/api/databases/nowhere/health"), 404),
        "no such address": (ask(cast.ada, "/api/nothing"), 404),
        "a token of another database": (ask(cast.ada, databases=["other"]), 404),
        "a token for asking": (ask(cast.ada, scopes=["request"]), 403),
        "a bad value": (ask(cast.ada, f"{URL}?fresh=yes"), 400),
        "a bad method": (Client(enforce_csrf_checks=True).post(URL), 405),
    }
    for what, (answer, status) in answers.items():
        assert answer.status_code == status, what
        assert {"refused", "why", "next"} == set(answer.json()) and answer.json()["why"], what
    assert answers["a cookie is no token"][0].headers["WWW-Authenticate"] == "Bearer"
    unseen = ("a stranger", "no such database", "a token of another database")
    assert len({json.dumps(answers[what][0].json()) for what in unseen}) == 1
    assert ask(cast.ada, databases=["shop"], scopes=["see"]).status_code == 200
    assert AuditEvent.objects.filter(type="auth.token_refused").count() == 2


def test_refused_tokens_do_not_fill_the_history(console: Any) -> None:
    wrong = {"Authorization": f"Bearer ops_00000000_{'a' * 43}"}
    codes = [Client().get(URL, headers=wrong).status_code for _ in range(MOST + 2)]
    assert codes == [401] * MOST + [429] * 2
    assert AuditEvent.objects.filter(type="auth.token_refused").count() == MOST


def test_a_fresh_look_is_refused_where_the_database_is_not_served(cast: Any, sqlite_shop: Any, settings: Any) -> None:
    settings.WORKER_QUEUES = ["elsewhere"]
    told = ask(cast.ada, f"{URL}?fresh=1")
    assert (told.status_code, told.json()["refused"]) == (409, "not_served_here")


def test_the_last_use_of_a_token_is_noted_once_a_minute(cast: Any, sqlite_shop: Any) -> None:
    _, text = tokens.mint(cast.ada, "monitor")
    seen = set()
    for _ in range(3):
        Client().get(URL, headers={"Authorization": f"Bearer {text}"})
        seen.add(Token.objects.get().last_used_at)
    assert len(seen) == 1 and None not in seen


def test_the_command_ends_with_one_when_it_is_unhealthy(
    sqlite_shop: Any, asked: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    shop, _row = sqlite_shop
    asked(rule("cheapOrders", "orders", "t.cents < 0"))
    call_command("health", "shop", "--json")
    assert json.loads(capsys.readouterr().out)["checks"] == {"cheapOrders": 0}
    call_command("health", "shop")
    assert "shop is healthy" in capsys.readouterr().out
    shop.change("UPDATE orders SET cents = -1")
    HealthWatch.objects.update(claimed_at=None)
    with pytest.raises(SystemExit) as ended:
        call_command("health", "shop")
    assert ended.value.code == 1
    assert "200" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        call_command("health", "nowhere")
    assert ended.value.code == 2


def test_the_overview_tells_it_in_words_and_draws_it(cast: Any, any_shop: Any, asked: Callable[..., None]) -> None:
    shop, row = any_shop
    client = Client()
    client.post("/login/", {"username": "ada", "password": PASSWORD})
    assert 'id="health"' not in client.get("/databases/shop/").content.decode()
    asked(rule("cheapOrders", "orders", "t.cents < 0"), rule("gone", "nowhere", "true"))
    shop.change("UPDATE orders SET cents = -1 WHERE id < 4")
    keeping.take(row)
    page = client.get("/databases/shop/").content.decode()
    assert "It turned unhealthy: cheapOrders counts 3; gone could not be counted: There is no table nowhere" in page
    assert "Nothing is proposed for what these rules count" in page and "request/fix/?names=" not in page
    assert "no row of orders has t.cents &lt; 0" in page and "Answers in" in page
    charts = client.get("/databases/shop/health/").content.decode()
    assert charts.count("<svg") == 2 and "Unhealthy in 1 of 48 half hours" in charts
    assert Client().get("/databases/shop/health/").status_code == 302
