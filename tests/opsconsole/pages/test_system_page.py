"""How the console stands: workers, guards, the audit, programs and settings in sentences."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction

from opsconsole import audit, system, triggers
from opsconsole.celery import app
from opsconsole.clock import now
from opsconsole.models import WorkerHost
from opsconsole.posture import Level
from tests.opsconsole.pages.conftest import Office


def sentences(topic: str, level: Level | None = None) -> list[str]:
    return [line.sentence for line in system.lines() if line.topic == topic and level in (None, line.level)]


def worker(name: str, *, ago: timedelta = timedelta()) -> None:
    at = now() - ago
    WorkerHost.objects.create(name=name, queues=["default"], started_at=at, seen_at=at)


def test_without_a_worker_it_says_how_to_start_one(office: Office) -> None:
    html = office.at("ada").get("/system/").content.decode()
    assert "No worker is alive" in html
    assert "manage.py worker" in html


def test_a_worker_that_is_alive_is_in_order_and_a_silent_one_is_to_look_at(office: Office) -> None:
    worker("near")
    worker("far", ago=timedelta(minutes=5))
    assert sentences("workers", Level.GOOD) == ["The worker near is alive; it serves default."]
    assert sentences("workers", Level.WATCH) == ["The worker far has fallen silent; it serves default."]


def test_a_clock_that_differs_from_the_database_s_is_told(office: Office) -> None:
    worker("near")
    WorkerHost.objects.update(clock_seconds=-59)
    assert sentences("workers", Level.WATCH) == []
    WorkerHost.objects.update(clock_seconds=-61)
    assert "The clock of near is 61 seconds behind" in sentences("workers", Level.WATCH)[0]


def test_guards_that_were_switched_off_are_the_first_thing(office: Office) -> None:
    assert sentences("guards", Level.BAD) == []
    postgresql = connection.vendor == "postgresql"
    found = (triggers.postgresql if postgresql else triggers.sqlite).found(connection)
    name, (table, _) = next(iter(found.items()))
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}" + (f" ON {table}" if postgresql else ""))
    assert system.lines()[0].level == Level.BAD
    assert len(sentences("guards", Level.BAD)) == 1


def test_events_that_wait_too_long_for_their_seal_are_told(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    audit.seal_all()
    assert sentences("audit", Level.BAD) == []
    monkeypatch.setattr(system, "SEAL_LATE", timedelta(seconds=-1))
    with transaction.atomic():  # nobody seals before it commits
        audit.record("database.noted", subject="late")
        assert "wait to be sealed" in sentences("audit", Level.BAD)[0]


def test_a_broker_that_does_not_answer_is_no_disaster(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.conf, "broker_url", "redis+socket:///nowhere/at/all.sock")
    assert "start when a ticker next looks" in sentences("broker", Level.WATCH)[0]


def test_old_programs_are_told_as_information(office: Office) -> None:
    assert sentences("programs", Level.BAD) == []
    assert any("pg_dump" in sentence for sentence in sentences("programs"))


def test_a_console_that_could_switch_its_own_guards_off_says_so(office: Office) -> None:
    told = [sentence for sentence in sentences("guards") if "could switch the guards off" in sentence]
    assert len(told) == 1
    assert ("is a file" in told[0]) == (connection.vendor == "sqlite")
