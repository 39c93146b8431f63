"""Retention in the browser: why each backup stays or goes, a simulator that saves nothing, and what people ask for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lifecycle.models import Backup, Hold, RetentionPass, RetentionRule, RetentionStop
from lifecycle.retention import trash
from opsconsole.clock import now
from opsconsole.models import Operation
from opsconsole.states import State
from tests.lifecycle.retention.conftest import nightly, taken
from tests.opsconsole.approvals.scenes import approve
from tests.opsconsole.pages.conftest import Office
from tests.support.commands import speaker
from tests.support.people import close_bootstrap


def asked_for() -> Operation:
    return Operation.objects.order_by("id")[Operation.objects.count() - 1]


def test_the_page_says_of_each_backup_why_it_stays_or_goes_and_what_goes_next(founding: Office) -> None:
    rows = nightly(founding.sandbox, founding.people, 12)
    trash.put_in(rows[10], "somebody asked for it")
    text = founding.at("ada").get("/retention/?database=sandbox").content.decode()
    for words in (
        "Where nothing else is set: keep the last 3 backups, and the newest of 7 days, 4 weeks and 12 months (UTC).",
        "It is the last good backup of its database.", "Newer ones fill the last 3, the 7 daily",
        f"Backup {rows[10].pk}</a> of", '<a href="?database=savings">savings</a>',
        "If backups go on being taken as in the last 30 days", "go at the next pass",
    ):  # fmt: skip
        assert words in text, words
    listed = founding.at("ada").get("/databases/sandbox/backups/").content.decode()
    assert "Stays: it is the last good backup of its database; it is one of the last 3" in listed
    assert "In the trash: until" in listed


def test_the_simulator_tells_what_would_go_and_saves_nothing_until_it_is_asked_for(founding: Office) -> None:
    nightly(founding.sandbox, founding.people, 6)
    close_bootstrap()
    browser = founding.at("admin")
    given = {"scope": "database/sandbox", "last": "2", "hourly": "0", "daily": "0", "weekly": "0", "monthly": "0",
             "yearly": "0", "time_zone": "UTC"}  # fmt: skip
    before = Operation.objects.count()
    for address in ("/retention/simulator/", "/retention/simulated/"):
        text = browser.get(address, given).content.decode()
        assert "4 backups would go now, and 52" in text
        assert "More than half: they would wait for another person." in text
    wrong = browser.get("/retention/simulated/", {**given, "time_zone": "Mars/Base"}).content.decode()
    assert "is no time zone" in wrong
    assert (Operation.objects.count(), RetentionRule.objects.count()) == (before, 0)
    browser.post("/retention/ask/", {**given, "keeps_all": "no", "reason": "the disk is small"})
    approve(founding.grace, asked_for())
    assert RetentionRule.objects.get().last == 2
    assert "begins" in browser.get("/retention/").content.decode()


def test_a_pin_a_hold_and_the_way_out_of_the_trash_are_on_the_page_of_a_backup(founding: Office) -> None:
    _, older, _ = nightly(founding.sandbox, founding.people, 3)
    browser, address = founding.at("ada"), older.get_absolute_url()
    browser.post(f"{address}pin/", {"reason": "before the audit", "until": "2099-01-31"})
    assert "Ada pinned it until 2099-01-31 23:59 UTC: before the audit." in browser.get(address).content.decode()
    browser.post(f"{address}unpin/", {"reason": "the audit is over"})
    assert f"Delete backup {older.pk}" in browser.get(address).content.decode()
    close_bootstrap()
    browser.post(f"{address}hold/", {"cause": "case 12", "on": "backup"})
    approve(founding.grace, asked_for())
    text = browser.get(address).content.decode()
    assert "A legal hold: case 12." in text
    assert f"It cannot be deleted now. Backup {older.pk} must stay: a legal hold: case 12." in text
    browser.post(f"{address}lift/", {"hold": Hold.objects.get().pk, "reason": "closed"})
    approve(founding.grace, asked_for())
    older.database.refresh_from_db()
    trash.put_in(older, "somebody asked for it")
    text = browser.get(address).content.decode()
    assert f"Take backup {older.pk} out of the trash" in text
    assert "Restore sandbox from backup" not in text
    browser.post(f"{address}put-back/")
    older.refresh_from_db()
    assert older.trashed_at is None


def test_on_a_protected_database_the_way_out_of_the_trash_is_a_request(founding: Office) -> None:
    _, older = nightly(founding.savings, founding.people, 2)
    safety = taken(founding.savings, founding.people, purpose=Backup.Purpose.SAFETY)
    trash.put_in(older, "somebody asked for it")
    close_bootstrap()
    browser = founding.at("ada")
    for backup, act in ((older, "put-back"), (safety, "accept")):
        browser.post(f"{backup.get_absolute_url()}{act}/", {"reason": "it is needed"})
        assert asked_for().state == State.PENDING_APPROVAL
        approve(founding.grace, asked_for())
        backup.refresh_from_db()
    assert (older.trashed_at, safety.accepted_at is not None) == (None, True)


def test_a_pause_and_a_stop_are_on_the_page_with_what_ends_them(founding: Office) -> None:
    nightly(founding.sandbox, founding.people, 2)
    RetentionPass.objects.update(paused_at=now(), paused_why="The clock went back.")
    RetentionStop.objects.create(database=founding.sandbox, going=5, of=8, since=now())
    close_bootstrap()
    browser = founding.at("admin")
    text = browser.get("/retention/").content.decode()
    assert "The clock went back." in text
    assert "5 of 8 backups of sandbox would go at once" in text
    browser.post("/retention/resume/", {"reason": "the clock is right"})
    approve(founding.grace, asked_for())
    assert RetentionPass.objects.get().paused_at is None
    assert "nothing is deleted" not in browser.get("/retention/").content.decode()


def test_the_record_of_a_deleted_backup_stays_and_the_list_shows_it_when_asked(founding: Office) -> None:
    _, older = nightly(founding.sandbox, founding.people, 2)
    trash.put_in(older, "taken by mistake")
    Backup.objects.filter(pk=older.pk).update(trash_until=now() - timedelta(hours=1))
    assert trash.delete_due() == 1
    browser = founding.at("ada")
    assert "Taken by mistake. It was deleted" in browser.get(older.get_absolute_url()).content.decode()
    assert older.get_absolute_url() not in browser.get("/databases/sandbox/backups/").content.decode()
    assert older.get_absolute_url() in browser.get("/databases/sandbox/backups/?deleted=yes").content.decode()


def test_the_command_prints_every_backup_with_its_reason(founding: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, say = nightly(founding.sandbox, founding.people, 9), speaker(monkeypatch)
    (told,) = say("retention", "plan", "sandbox", "--json", account=founding.ada).json["databases"]
    assert [backup["id"] for backup in told["backups"]] == [row.pk for row in rows]
    assert {reason["code"] for reason in told["backups"][0]["reasons"]} >= {"last_good", "last", "daily"}
    assert "newer ones fill the last 3" in say("retention", "plan").out
    assert say("retention", "run").code == 0
    assert Backup.objects.filter(trashed_at__isnull=False).exists()
