"""What is due is started once, whoever looks; what could not be started in time is told and never lost."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from opsconsole import operations, posture
from opsconsole.exceptions import Refused
from opsconsole.models import AuditEvent, Database, Operation, Schedule, ScheduleSlot
from opsconsole.posture import Level
from opsconsole.scheduling import due, standing
from opsconsole.states import State
from tests.opsconsole.approvals.scenes import add_database, approve, later
from tests.opsconsole.scheduling.scenes import FIRST, NIGHTLY, daily, set_up, soon, unsound
from tests.support.people import assemble, close_bootstrap


def slots() -> list[tuple[str, int | None]]:
    return [(slot.state, slot.operation_id) for slot in ScheduleSlot.objects.order_by("slot", "database")]


def test_a_time_that_has_come_is_an_operation_like_any_other(people: Any) -> None:
    schedule = set_up(people)
    assert due.start() == 0
    with later(**FIRST):
        assert due.start() == 1
        assert due.start() == 0
    operation = Operation.objects.get(kind="copy")
    assert (operation.state, operation.requester, operation.database.name) == (State.QUEUED, people.ada, "savings")
    assert operation.reason.startswith("Schedule copies, due at ")
    assert slots() == [("started", operation.pk)]
    assert schedule.changed_by is not None
    assert unsound() == []


def test_two_tickers_make_one_run(people: Any) -> None:
    set_up(people)
    ready = threading.Barrier(3)

    def tick() -> None:
        ready.wait()
        due.start()
        connection.close()

    with later(**FIRST):
        threads = [threading.Thread(target=tick) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert Operation.objects.filter(kind="copy").count() == 1
    assert len(slots()) == 1


def test_a_ticker_that_was_away_for_three_times_runs_once_and_tells_of_the_others(people: Any) -> None:
    set_up(people)
    with later(days=2, hours=5):
        assert due.start() == 1
        (savings,) = Database.objects.filter(name="savings")
        assert standing.read([savings]) == {}
    assert [state for state, _ in slots()] == ["missed", "missed", "started"]
    assert AuditEvent.objects.filter(type="schedule.missed").count() == 2


def test_a_time_that_nothing_started_in_time_is_told_where_people_look(people: Any) -> None:
    set_up(people, missed="tell")
    with later(days=1, hours=5):
        assert due.start() == 0
        (savings,) = Database.objects.filter(name="savings")
        line = posture.posture_of([savings])[savings.pk].line("schedule")
    assert slots() == [("missed", None), ("missed", None)]
    assert line is not None and line.level == Level.BAD
    assert "nothing could start it in time" in line.sentence


def test_what_is_later_than_it_may_be_is_missed(people: Any) -> None:
    set_up(people, late_minutes="60")
    with later(hours=2):
        assert due.start() == 0
    assert slots() == [("missed", None)]
    with later(days=1, minutes=12):
        assert due.start() == 1


def test_a_clock_that_jumps_neither_doubles_nor_loses_a_run(people: Any) -> None:
    set_up(people)
    with later(days=40, minutes=12):
        assert due.start() == 1
    assert len(slots()) == 41
    assert due.start() == 0  # and back
    (savings,) = Database.objects.filter(name="savings")
    (line,) = standing.read([savings])[savings.pk]
    assert "The clock went back" in line.sentence
    with later(days=41, minutes=12):
        assert due.start() == 0  # the run before is not over, and that is told
    assert slots()[-1] == ("skipped", None)


def test_a_blackout_holds_back_and_what_was_due_runs_after_it(people: Any) -> None:
    until = datetime.now(UTC) + timedelta(minutes=30)
    window = {"days": list(range(7)), "from": f"{soon():%H:%M}", "to": f"{until:%H:%M}"}
    set_up(people, blackouts=[window])
    with later(**FIRST):
        assert due.start() == 0
        assert slots() == []
    with later(minutes=35):
        assert due.start() == 1


def test_what_changes_a_protected_database_waits_for_people_each_time_if_it_is_asked_for_so(people: Any) -> None:
    schedule = set_up(people, name="scrubs", kind="scrub", approval="each_run")
    assert schedule.changed_by is not None
    assert "waits for the approvals" in schedule.changed_by.plan.risk_reasons[0]
    with later(**FIRST):
        assert due.start() == 1
    assert Operation.objects.get(kind="scrub").state == State.PENDING_APPROVAL


def test_whoever_may_no_longer_ask_starts_nothing_that_changes_data(people: Any) -> None:
    set_up(people, name="scrubs", kind="scrub", databases="sandbox")
    set_up(people)
    asked = operations.request_change("account.deactivate", {"login": "ada"}, account=people.admin, reason="left")
    approve(people.grace, asked)
    with later(hours=1):
        due.start()
    assert [(o.kind, o.requester) for o in Operation.objects.filter(kind__in=("copy", "scrub"))] == [("copy", None)]
    refused = ScheduleSlot.objects.get(schedule="scrubs")
    assert (refused.state, refused.operation) == ("refused", None)
    assert unsound() == []


def test_a_database_that_came_to_match_later_is_not_changed_unless_somebody_agrees(console: Any) -> None:
    people, wanted = assemble(), {"cron": daily(), **NIGHTLY, "name": "scrubs", "kind": "scrub", "databases": ""}
    add_database("sandbox", "development")
    for shipped in Schedule.objects.filter(changed_by=None):
        operations.request_change("schedule.off", {"name": shipped.name}, account=people.admin, reason="it is wanted")
    asked = operations.request_change("schedule.set", wanted, account=people.ada, reason="it is wanted")
    assert asked.state == State.SUCCEEDED  # nobody else is asked while the console is being set up
    add_database("newcomer", "development")
    close_bootstrap()
    with later(hours=1):
        assert due.start() == 1
    assert [o.database.name for o in Operation.objects.filter(kind="scrub")] == ["sandbox"]
    told = ScheduleSlot.objects.get(database__name="newcomer")
    assert (told.state, "came to match after the schedule was confirmed" in told.why) == ("refused", True)
    set_up(people, name="scrubs", kind="scrub", databases="")
    with later(days=1, hours=1):
        due.start()
    assert Operation.objects.filter(kind="scrub", database__name="newcomer").exists()


def test_what_nobody_asks_for_any_more_stays_in_its_owner_group(people: Any) -> None:
    set_up(people, parameters={"source": "crm"})
    with later(**FIRST):
        assert due.start() == 0  # ada does not see it
    approve(
        people.grace,
        operations.request_change("account.deactivate", {"login": "ada"}, account=people.admin, reason="it is wanted"),
    )
    due._again.clear()
    with later(hours=1):
        assert due.start() == 0  # and without her it is seen no more
    (slot,) = ScheduleSlot.objects.all()
    assert (slot.state, "another owner group" in slot.why) == ("refused", True)


def test_what_cannot_be_planned_is_tried_again_and_then_told(people: Any) -> None:
    set_up(people, name="refusing", kind="refusing")
    with later(**FIRST):
        assert due.start() == 0
        assert slots() == []
    due._again.clear()
    with later(minutes=40):
        assert due.start() == 0
    (slot,) = ScheduleSlot.objects.all()
    assert slot.state == "refused"
    assert "There is no room. Make some." in slot.why


def test_what_nobody_foresaw_on_one_database_keeps_no_other_from_its_turn(people: Any) -> None:
    set_up(people, name="crashes", kind="crashing", databases="sandbox,savings")
    set_up(people, name="later", databases="sandbox")
    with later(**FIRST):
        assert due.start() == 2
    assert [row.database.name for row in Operation.objects.filter(kind__in=("crashing", "copy")).order_by("kind")] == [
        "sandbox",
        "savings",
    ]
    assert {slot.database.name for slot in ScheduleSlot.objects.filter(schedule="crashes")} == {"savings"}


def test_a_schedule_changes_only_when_another_person_confirms_it(people: Any) -> None:
    asked = operations.request_change(
        "schedule.set", {"cron": daily(), **NIGHTLY}, account=people.ada, reason="as agreed"
    )
    assert not Schedule.objects.filter(name="copies").exists()
    with pytest.raises(Refused):
        approve(people.ada, asked)
    with pytest.raises(Exception, match="guarded"):
        Schedule.objects.create(name="sly", title="Sly", version=1, kind="copy", cron="0 2 * * *", created_at=due.now())


def test_a_new_console_backs_up_every_night_and_drills_every_week(console: Any) -> None:
    assert [standing.sentence(row) for row in standing.current()] == [
        "Back up every database at 02:00 (UTC)",
        "Verify every database at 04:00, only on Sunday (UTC)",
    ]
