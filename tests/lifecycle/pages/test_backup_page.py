"""The page of one backup and the tab of all: what is proven, what changed, why it is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from django.test import Client

from lifecycle import posture
from lifecycle.backups.archives import differences, manifest_of, store
from lifecycle.models import Backup
from opsconsole.models import AuditEvent
from opsconsole.states import State
from opsconsole.transitions import move
from tests.opsconsole.pages.conftest import Office
from tests.support.backups import list_backup, planned_operation


def read(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_the_page_says_what_it_holds_and_what_is_proven(office: Office) -> None:
    backup = list_backup(office.savings, office.ada, tables={"orders": 1200, "users": 3})
    html = read(office.at("ada"), f"/backups/{backup.pk}/")
    assert "1\N{NARROW NO-BREAK SPACE}203 rows in 2 tables" in html
    assert "Every byte was read back" in html
    assert "never restored" in html
    assert backup.manifest_sha256 in html


def test_a_restore_that_succeeded_proves_it(office: Office) -> None:
    backup = list_backup(office.savings, office.ada)
    operation = planned_operation(office.savings, office.ada, "restore")
    for state in (State.QUEUED, State.RUNNING):
        move(operation, state)
    move(operation, State.SUCCEEDED, result={"summary": "Done.", "backup": backup.pk})
    for path in (f"/backups/{backup.pk}/", "/databases/savings/backups/"):
        html = read(office.at("ada"), path)
        assert f"Operation {operation.pk} restored it" in html
        assert "never restored" not in html


def test_a_check_that_failed_is_told_in_its_own_words(office: Office) -> None:
    failed = {"level": "V1", "at": "2026-11-20T10:00:00+00:00", "ok": False, "detail": "orders.zst is shorter"}
    backup = list_backup(office.savings, office.ada, checks=[failed], state="bad")
    html = read(office.at("ada"), f"/backups/{backup.pk}/")
    assert "orders.zst is shorter" in html
    assert "Restore savings from backup" not in html


def test_tables_that_changed_more_than_usual_come_first_and_are_marked(office: Office) -> None:
    older = {"orders": 1000, "users": 100, "gone": 5, "steady": 7}
    list_backup(office.savings, office.ada, tables=older, age=timedelta(hours=2))
    backup = list_backup(office.savings, office.ada, tables={"orders": 400, "users": 101, "fresh": 9, "steady": 7})
    html = read(office.at("ada"), f"/backups/{backup.pk}/")
    table = html[html.index("what changed since") :]
    assert table.index("orders") < table.index("users")
    assert "shrank by 60 %" in table
    assert "is new" in table
    assert "is gone" in table


def test_what_is_unusual_is_a_fifth_and_a_hundred_rows(office: Office) -> None:
    before = list_backup(office.savings, office.ada, tables={"small": 10, "big": 10_000, "emptied": 3})
    after = list_backup(office.savings, office.ada, tables={"small": 20, "big": 11_000, "emptied": 0})
    found = {change.name: change.unusual for change in differences(manifest_of(before), manifest_of(after))}
    assert found == {"small": False, "big": False, "emptied": True}


def test_a_manifest_that_was_changed_is_told_and_shown_to_nobody(office: Office) -> None:
    backup = list_backup(office.savings, office.ada)
    path = Path(store().path(f"{backup.key}/manifest.json"))  # type: ignore[attr-defined]
    path.write_bytes(path.read_bytes().replace(b'"rows":3', b'"rows":4'))
    html = read(office.at("ada"), f"/backups/{backup.pk}/")
    assert "was changed after it was signed" in html
    assert "Every object with its hash" not in html


def test_a_backup_of_a_database_that_one_may_not_see_is_not_there(office: Office) -> None:
    backup = list_backup(office.savings, office.ada)
    assert office.at("mallory").get(f"/backups/{backup.pk}/").status_code == 404


def test_a_pin_needs_a_reason_and_is_recorded(office: Office) -> None:
    backup, client = list_backup(office.savings, office.ada), office.at("ada")
    assert client.post(f"/backups/{backup.pk}/pin/", {"reason": " "}).status_code == 400
    assert client.post(f"/backups/{backup.pk}/pin/", {"reason": "Before the audit of 2026"}).status_code == 302
    backup.refresh_from_db()
    assert (backup.pin_reason, backup.pinned_by) == ("Before the audit of 2026", office.ada)
    assert "Before the audit of 2026" in read(client, "/databases/savings/backups/")
    assert AuditEvent.objects.filter(type="backup.pinned", database_id=office.savings.pk).count() == 1


def test_an_unpinned_backup_leaves_its_reason_in_the_history(office: Office) -> None:
    backup, client = list_backup(office.savings, office.ada), office.at("ada")
    client.post(f"/backups/{backup.pk}/pin/", {"reason": "Before the audit"})
    assert client.post(f"/backups/{backup.pk}/unpin/", {}).status_code == 400
    client.post(f"/backups/{backup.pk}/unpin/", {"reason": "The audit is over"})
    assert Backup.objects.get(pk=backup.pk).pinned_at is None
    assert b"The audit is over" in bytes(AuditEvent.objects.get(type="backup.unpinned").payload)


def test_an_auditor_looks_and_pins_nothing(office: Office) -> None:
    backup, client = list_backup(office.savings, office.ada), office.at("audrey")
    html = read(client, f"/backups/{backup.pk}/")
    assert "Pin backup" not in html
    assert "Download" not in html
    assert client.post(f"/backups/{backup.pk}/pin/", {"reason": "because I can"}).status_code == 403


def test_a_row_leads_to_the_restore_of_that_backup(office: Office) -> None:
    backup = list_backup(office.savings, office.ada)
    assert f"/databases/savings/request/restore/?backup={backup.pk}" in read(
        office.at("ada"), "/databases/savings/backups/"
    )


def test_an_empty_list_teaches_and_offers_the_first_backup(office: Office) -> None:
    html = read(office.at("ada"), "/databases/savings/backups/")
    assert "There is no backup of savings yet" in html
    assert "/databases/savings/request/backup/" in html


def test_the_list_costs_the_same_for_twenty_backups_and_pages_by_key(
    office: Office, queries: Callable[[Client, str], int]
) -> None:
    client = office.at("ada")
    list_backup(office.savings, office.ada)
    before = queries(client, "/databases/savings/backups/")
    for _ in range(34):
        list_backup(office.savings, office.ada)
    assert queries(client, "/databases/savings/backups/") == before
    older = client.get("/databases/savings/backups/").context["older"]
    assert len(client.get(f"/databases/savings/backups/?before={older}").context["backups"]) == 5


def test_the_list_says_how_a_database_stands_by_its_backups(office: Office) -> None:
    assert "There is no good backup of it" in read(office.at("ada"), "/databases/savings/")
    list_backup(office.savings, office.ada, age=timedelta(days=3))
    assert "older than the 24 hours" in read(office.at("ada"), "/databases/savings/")
    office.savings.target_hours = 6
    assert "older than the 6 hours" in posture.read([office.savings])[office.savings.pk][0].sentence
    list_backup(office.savings, office.ada)
    assert "young enough" in read(office.at("ada"), "/databases/savings/")
