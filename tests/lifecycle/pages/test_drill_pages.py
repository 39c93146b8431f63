"""What drills have proved stands on the pages of the backup and of its database, and is asked for there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from lifecycle import posture
from lifecycle.models import Backup, SmokeStatement
from lifecycle.proving import verdicts
from opsconsole import operations
from opsconsole.clock import now
from opsconsole.models import Operation
from opsconsole.posture import Level
from opsconsole.states import State
from tests.lifecycle.pages.test_backup_page import read
from tests.opsconsole.approvals.scenes import approve
from tests.opsconsole.pages.conftest import Office
from tests.support.backups import list_backup


def check(level: str, *, ok: bool = True, days: int = 0, **more: Any) -> dict[str, Any]:
    at = (now() - timedelta(days=days)).isoformat()
    return {"level": level, "at": at, "ok": ok, "detail": f"{level} was done", "operation": 1, "seconds": 300, **more}


def drilled(office: Office, database: Any, *, days: int = 0, **more: Any) -> Backup:
    done = check("V2", days=days, where="same_server", restore_seconds=240)
    at = now() - timedelta(days=days)
    return list_backup(database, office.ada, checks=[done], drilled_at=at, restore_seconds=240, **more)


def drill_line(database: Any) -> Any:
    return next((line for line in posture.read([database])[database.pk] if line.topic == "drill"), None)


def test_the_shield_carries_the_date_and_the_time_that_restoring_takes(office: Office) -> None:
    backup = drilled(office, office.savings, days=2)
    html = read(office.at("ada"), f"/backups/{backup.pk}/")
    assert f"restorable {now() - timedelta(days=2):%Y-%m-%d}" in html
    assert "it restores in about 4 min" in html
    assert f"/databases/savings/request/verify/?backup={backup.pk}" in html
    assert f"restorable {now() - timedelta(days=2):%Y-%m-%d}" in read(office.at("ada"), "/databases/savings/backups/")


def test_an_auditor_is_not_offered_to_verify(office: Office) -> None:
    backup = drilled(office, office.savings)
    assert "request/verify" not in read(office.at("audrey"), f"/backups/{backup.pk}/")


def test_the_dashboard_watches_that_protected_databases_are_drilled(office: Office) -> None:
    assert drill_line(office.savings) is None  # there is nothing to drill
    list_backup(office.savings, office.ada)
    list_backup(office.sandbox, office.ada)
    assert drill_line(office.savings).level == Level.WATCH
    assert drill_line(office.sandbox) is None
    drilled(office, office.savings, days=31)
    assert "older than the 30 days" in drill_line(office.savings).sentence
    drilled(office, office.savings, days=3)
    line = drill_line(office.savings)
    assert (line.level, "about 4 min" in line.sentence) == (Level.GOOD, True)
    assert "A drill restored a backup of it in about 4 min." in read(office.at("ada"), "/")


def test_a_damaged_backup_is_told_of_and_does_not_count_as_the_last_good_one(office: Office) -> None:
    good = drilled(office, office.savings, age=timedelta(hours=40))
    bad = drilled(office, office.savings, state="bad", age=timedelta(hours=1), damaged_at=now())
    lines = {line.topic: line for line in posture.read([office.savings])[office.savings.pk]}
    assert (lines["damage"].level, lines["damage"].sentence) == (Level.BAD, "Its newest backup is damaged.")
    assert lines["backup"].at == good.started_at
    list_backup(office.savings, office.ada)
    lines = {line.topic: line for line in posture.read([office.savings])[office.savings.pk]}
    assert lines["damage"].level == Level.WATCH
    html = read(office.at("ada"), f"/backups/{bad.pk}/")
    assert "It was found damaged" in html
    assert "That was before it was found damaged." in html


def test_a_smoke_statement_is_asked_for_on_the_page_and_confirmed_by_another_person(office: Office) -> None:
    client = office.at("ada")
    given = {"name": "sound", "statement": "SELECT count(*) > 0 FROM <orders>", "reason": "It must hold."}
    assert client.post("/databases/savings/smoke/", given).status_code == 302
    assert "There is none yet" in read(client, "/databases/savings/drills/")
    approve(office.grace, Operation.objects.get(kind="change", state=State.PENDING_APPROVAL))
    html = read(client, "/databases/savings/drills/")
    assert "SELECT count(*) &gt; 0 FROM &lt;orders&gt;" in html
    assert SmokeStatement.objects.get().database == office.savings
    refused = client.post("/databases/savings/smoke/", {**given, "statement": "DROP TABLE orders"})
    assert (refused.status_code, "one SELECT" in refused.content.decode()) == (400, True)


def test_a_damaged_backup_is_called_good_again_only_once_it_has_held_and_another_person_agrees(office: Office) -> None:
    failed = [check("V1"), check("V2", ok=False)]
    backup = list_backup(office.savings, office.ada, checks=[*failed, check("V1")], state="bad", damaged_at=now())
    client = office.at("ada")
    refused = client.post(f"/backups/{backup.pk}/trust/", {"reason": "The disk was replaced."})
    assert "has not held at that level since" in refused.content.decode()
    held = check("V2", where="embedded", restore_seconds=9)
    Backup.objects.filter(pk=backup.pk).update(checks=[*failed, held])
    asked = operations.request_change(verdicts.TRUST, {"backup": backup.pk}, account=office.ada, reason="New disk.")
    backup.refresh_from_db()
    assert (asked.state, backup.state) == (State.PENDING_APPROVAL, "bad")
    approve(office.grace, asked)
    backup.refresh_from_db()
    assert backup.state == "good"
