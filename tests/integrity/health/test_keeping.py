"""Samples are a series that is thinned; what turned is an event; of any number of tickers one looks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from integrity.health import answering, keeping, series, ticking
from integrity.health.looking import Look
from integrity.health.posture import read
from integrity.models import HealthSample, HealthWatch
from opsconsole import kinds, operations, worker
from opsconsole.clock import now
from opsconsole.exceptions import Refused
from opsconsole.models import AuditEvent
from opsconsole.posture import Level
from tests.integrity.health.conftest import rule
from tests.support.waiting import wait_until


def look(minutes_ago: float = 0.0, problem: str = "") -> Look:
    at = now() - timedelta(minutes=minutes_ago)
    return Look(at=at, figures={"latency_ms": 2.5}, code="timeout" if problem else "", problem=problem)


def changes() -> list[str]:
    rows = AuditEvent.objects.filter(type="health.changed").order_by("id")
    return [row.outcome for row in rows]


def test_an_event_tells_a_turn_and_not_each_sample(sqlite_shop: Any, settings: Any) -> None:
    settings.HEALTH_SECONDS = 600.0
    _, row = sqlite_shop
    keeping.keep(row, look(9))
    keeping.keep(row, look(8))
    assert changes() == []  # healthy from the first look on
    for minutes in (7, 6, 5):
        keeping.keep(row, look(minutes, "It does not answer."))
    assert changes() == ["failed"]
    (line,) = read([row])[row.pk]
    assert (line.level, "does not answer" in line.sentence) == (Level.BAD, True)
    watch = keeping.keep(row, look(4))
    assert changes() == ["failed", "ok"] and watch.since == watch.sampled_at
    keeping.keep(row, look(20, "A look that was slow to be kept."))
    assert changes() == ["failed", "ok"] and HealthWatch.objects.get().healthy
    assert HealthSample.objects.count() == 7


def test_what_nobody_looked_at_for_long_is_not_called_healthy(sqlite_shop: Any) -> None:
    _, row = sqlite_shop
    keeping.keep(row, look(30))
    (line,) = read([row])[row.pk]
    assert line.level is Level.UNKNOWN


def test_old_samples_are_thinned_to_hours_and_then_removed(sqlite_shop: Any) -> None:
    _, row = sqlite_shop
    hour = now().replace(minute=0, second=0, microsecond=0) - timedelta(days=3)
    samples = [HealthSample(database=row, at=hour + timedelta(minutes=n), healthy=n != 20) for n in range(59)]
    samples += [HealthSample(database=row, at=now() - timedelta(days=31), healthy=True)]
    samples += [HealthSample(database=row, at=now() - timedelta(hours=3, minutes=n), healthy=True) for n in range(5)]
    HealthSample.objects.bulk_create(samples)
    assert keeping.thin() == 58
    old = HealthSample.objects.filter(at__lt=hour + timedelta(hours=1)).order_by("at")
    assert [(sample.at.minute, sample.healthy) for sample in old] == [(20, False), (58, True)]
    assert HealthSample.objects.count() == 7
    assert keeping.thin() == 0


def test_of_several_tickers_one_looks(sqlite_shop: Any) -> None:
    _, row = sqlite_shop
    since, won = now() - timedelta(seconds=60), list[bool]()

    def tick() -> None:
        won.append(keeping.claim(row, unless_since=since))
        connection.close()

    threads = [threading.Thread(target=tick) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False, False, False, True]


def test_the_ticker_looks_once_at_what_is_due_on_its_host(
    any_shop: Any, asked: Callable[..., None], settings: Any
) -> None:
    _, row = any_shop
    asked(rule("cheapOrders", "orders", "t.cents < 0"))
    assert ticking.begin() == 0  # it is off
    settings.HEALTH_SECONDS = 60.0
    settings.WORKER_QUEUES = ["elsewhere"]
    assert ticking.due() == []
    settings.WORKER_QUEUES = ["default"]
    assert (ticking.begin(), ticking.begin()) == (1, 0)
    wait_until(lambda: HealthSample.objects.filter(database=row).exists(), "the sample")
    assert HealthSample.objects.get().checks == {"cheapOrders": 0}
    assert ticking.due() == []


def test_nobody_looks_while_an_operation_changes_the_database(
    cast: Any, sqlite_shop: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, row = sqlite_shop
    settings.HEALTH_SECONDS = 60.0
    assert worker.claim(operations.request("backup", row, {}, account=cast.ada).pk) is not None
    assert ticking.due() == [row]  # a backup changes nothing
    monkeypatch.setattr(type(kinds.get("backup")), "mutates", True)
    assert ticking.due() == []
    with pytest.raises(Refused, match="An operation is changing shop"):
        answering.refresh(row)
    assert "An operation is changing shop" in answering.answer(row)["problem"]["why"]


def test_the_series_is_drawn_with_its_words(sqlite_shop: Any) -> None:
    _, row = sqlite_shop
    assert series.last_day(row) is None
    at = now()
    HealthSample.objects.bulk_create(
        HealthSample(database=row, at=at - timedelta(hours=hours), healthy=hours != 5,
                     figures={} if hours == 5 else {"latency_ms": 1.0 + hours, "size_bytes": 4096})
        for hours in range(20)
    )  # fmt: skip
    day, month = series.last_day(row), series.last_month(row)
    assert day is not None and month is not None
    assert (len(day.columns), len(month.columns)) == (48, 30)
    assert [colour for column in day.columns for colour, _ in column.parts].count("red") == 1
    assert series.unhealthy_words(day) == "Unhealthy in 1 of 48 half hours; nobody looked in 28."
    assert "unhealthy in 1 of 1 looks" in next(c.words for c in day.columns if "red" in dict(c.parts))
    assert max(bar.height for bar in day.bars()) == 100.0
