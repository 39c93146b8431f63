"""A check reads a database, keeps a report, and tells what is new, what stands still and what is fixed."""

from __future__ import annotations

from typing import Any

import pytest

from integrity.models import Report
from opsconsole import operations
from opsconsole.exceptions import Usage
from opsconsole.management.reporting import exit_for
from opsconsole.models import AuditEvent, Operation
from opsconsole.states import State
from tests.integrity.checks.test_pages import SLOW
from tests.lifecycle.conftest import POSTGRESQL_AT_NIGHT
from tests.lifecycle.conftest import any_shop as any_shop
from tests.lifecycle.conftest import postgres_shop as postgres_shop
from tests.lifecycle.conftest import sqlite_shop as sqlite_shop
from tests.support.cases import start_worker, work
from tests.support.console import Console
from tests.support.waiting import wait_until


def check(console: Console, cast: Any, row: Any, **given: str) -> Operation:
    return work(console, operations.request("check", row, given, account=cast.ada))


def test_while_a_critical_finding_stands_the_result_says_so_and_the_command_ends_with_one(console, cast, sqlite_shop):
    shop, row = sqlite_shop
    shop.change("PRAGMA foreign_keys=OFF; INSERT INTO orders VALUES (999, 4711, 5)")
    first = check(console, cast, row, mode="quick")
    assert (first.state, first.result["stands"], exit_for(first, waited=True)) == (State.SUCCEEDED, True, 1)
    assert "1 critical finding (1 new)" in first.result["summary"]
    elsewhere = check(console, cast, row, rule="missing_primary_key")
    assert (elsewhere.result["stands"], Report.objects.get(pk=elsewhere.pk).open_critical) == (False, 1)
    shop.change("DELETE FROM orders WHERE id = 999")
    mended = check(console, cast, row, mode="quick")
    assert (mended.result["stands"], exit_for(mended, waited=True)) == (False, 0)
    assert [each["check"] for each in Report.objects.get(pk=mended.pk).fixed] == ["orphans"]


@POSTGRESQL_AT_NIGHT
def test_what_is_found_is_new_once_then_stands_and_then_is_fixed(console, cast, any_shop):
    shop, row = any_shop
    shop.change("CREATE TABLE notes (said text)")
    first = check(console, cast, row, rule="missing_primary_key")
    assert first.state == State.SUCCEEDED, first.failure_why
    report = Report.objects.get(pk=first.pk)
    (finding,) = report.findings.all()
    assert (finding.table.rpartition(".")[2], finding.severity, finding.is_new) == ("notes", "warning", True)
    assert {each["subject"].rpartition(".")[2] for each in report.held} == {"customers", "orders"}
    assert AuditEvent.objects.filter(type="integrity.checked", operation_id=first.pk).count() == 1
    second = Report.objects.get(pk=check(console, cast, row, rule="missing_primary_key").pk)
    (again,) = second.findings.all()
    assert (again.is_new, again.since, again.fingerprint) == (False, finding.since, finding.fingerprint)
    shop.change("DROP TABLE notes; CREATE TABLE notes (said text PRIMARY KEY)")
    third = Report.objects.get(pk=check(console, cast, row, rule="missing_primary_key").pk)
    assert not third.findings.exists()
    assert [each["fingerprint"] for each in third.fixed] == [finding.fingerprint]


def test_its_plan_says_what_a_check_costs_and_does_not_see(console, cast, sqlite_shop):
    shop, row = sqlite_shop
    shop.change("PRAGMA journal_mode=DELETE")
    planned = operations.request("check", row, {"sample": "5", "seconds": "20", "sessions": "4"}, account=cast.ada)
    assert list(planned.plan.risk_reasons) == [
        "It only reads.",
        "A question ends after 20 seconds.",
        "The file is not in WAL mode: programs that write to it wait until the check has ended.",
        "Of tables of over a million rows 5 % are looked at: faults may be missed.",
    ]
    one = operations.draft("check", row, {"rule": "orphans"}, account=cast.ada)
    assert one.steps[0].title == "Ask 1 check"
    for given in ({"sessions": "9"}, {"seconds": "0"}, {"sample": "-1"}):
        with pytest.raises(Usage, match=next(iter(given))):
            operations.request("check", row, given, account=cast.ada)


def test_a_check_that_reads_a_large_file_is_cancelled_meanwhile(console, cast, sqlite_shop):
    shop, row = sqlite_shop
    shop.change(SLOW)
    asked = operations.request("check", row, {"rule": "sqlite_pages", "seconds": "3600"}, account=cast.ada)
    worker = start_worker(console, asked)
    wait_until(lambda: "Pages" in Operation.objects.get(pk=asked.pk).progress.get("step", ""), "SQLite reads the file")
    operations.cancel(asked, account=cast.ada)
    worker.wait(30)
    asked.refresh_from_db()
    assert (asked.state, Report.objects.exists()) == (State.CANCELLED, False)
