"""Schedules as sentences, with what became of their times; proposals of others."""

from __future__ import annotations

from typing import Any

from django.test import override_settings

from opsconsole.models import Operation, Schedule
from opsconsole.scheduling import due
from tests.opsconsole.approvals.scenes import approve, later
from tests.opsconsole.pages.conftest import Office

ASKED = {
    "name": "copies", "title": "Copies of savings", "kind": "copy", "parameters": "", "databases": "savings",
    "tags": "", "cron": "0 3 * * 1-5", "timezone": "Europe/Berlin", "missed": "tell", "late_minutes": "60",
    "begins": "08:00", "ends": "18:00", "approval": "once", "reason": "as agreed",
}  # fmt: skip


def propose(office: Office, **more: Any) -> Any:
    return office.at("ada").post("/schedule-form/", {**ASKED, **more})


def test_what_starts_by_itself_is_read_as_sentences(office: Office) -> None:
    html = office.at("ada").get("/schedules/").content.decode()
    assert "Back up every database at 02:00 (UTC)." in html
    assert "Verify every database at 04:00, only on Sunday (UTC)." in html
    assert "starts nothing by itself" in html  # as the tests' settings say
    page = office.at("audrey").get("/schedules/nightly-backup/").content.decode()
    assert "It came with the console." in page and "It has not been due yet" in page and "Propose" not in page


def test_a_proposal_counts_when_it_is_confirmed_and_can_be_changed_and_switched_off(office: Office) -> None:
    assert propose(office).status_code == 302
    assert not Schedule.objects.filter(name="copies").exists()
    approve(office.grace, Operation.objects.get(kind="change"))
    row = Schedule.objects.get(name="copies")
    assert row.match == {"databases": ["savings"]}
    assert [(w["from"], w["to"]) for w in row.blackouts] == [("08:00", "18:00")]
    html = office.at("ada").get("/schedules/copies/").content.decode()
    assert "Copy savings at 03:00, Monday through Friday (Europe/Berlin)." in html
    assert "Nothing starts from 08:00 to 18:00 (Europe/Berlin)." in html
    form = office.at("ada").get("/schedule-form/?schedule=copies").content.decode()
    assert 'value="0 3 * * 1-5"' in form and 'value="08:00"' in form
    office.at("ada").post("/schedules/copies/off/", {"reason": "no longer needed"})
    approve(office.grace, Operation.objects.filter(kind="change").latest("id"))
    assert "Switched off. It was: Copy savings" in office.at("ada").get("/schedules/copies/").content.decode()


def test_what_a_proposal_means_is_said_before_it_is_asked_for(office: Office) -> None:
    html = (
        office.at("ada")
        .post("/schedule-form/preview/", {**ASKED, "kind": "scrub", "approval": "each_run"})
        .content.decode()
    )
    assert "Scrub savings at 03:00" in html
    assert "Each run of it waits for the approvals that it needs" in html
    wrong = office.at("ada").post("/schedule-form/preview/", {**ASKED, "cron": "* * * * *"}).content.decode()
    assert "more often than every 5 minutes" in wrong
    assert "once the form makes sense" in office.at("ada").post("/schedule-form/preview/", {}).content.decode()


def test_a_setting_that_the_kind_does_not_have_is_refused(office: Office) -> None:
    html = propose(office, parameters="speed=11").content.decode()
    assert "Copy has no setting called speed." in html
    assert "Write each setting as name=value" in propose(office, parameters="fast").content.decode()


def test_pages_tell_who_approved_the_runs_of_a_schedule_once_until_when_and_what_ended_it(office: Office) -> None:
    propose(office, kind="scrub", cron="0 3 * * *", begins="", ends="", missed="run_late", late_minutes="1440")
    change = Operation.objects.get(kind="change")
    asked = office.at("grace").get(change.get_absolute_url()).content.decode()
    assert "Whoever confirms it approves its runs on savings, for 90 days" in asked
    approve(office.grace, change)
    html = office.at("ada").get("/schedules/copies/").content.decode()
    assert "Its runs are approved until" in html and "Grace" in html and "savings (production)" in html
    with later(days=1), override_settings(SCHEDULES=True):
        assert due.start() == 1
    run = Operation.objects.get(kind="scrub")
    page = office.at("ada").get(run.get_absolute_url()).content.decode()
    assert 'standing approval of <a href="/schedules/copies/">copies</a>' in page
    assert f'in <a href="{change.get_absolute_url()}">operation {change.pk}</a> and good until' in page
    grace = office.at("grace")
    assert "and the runs of its schedule with it" in grace.get(change.get_absolute_url()).content.decode()
    grace.post(f"{change.get_absolute_url()}withdraw/", {"reason": "on second thoughts"})
    html = office.at("ada").get("/schedules/copies/").content.decode()
    assert "took the approval back" in html and "1 more of approvers of default" in html
