"""A check reads a database, keeps a report, and tells what is new, what stands still and what is fixed."""

from __future__ import annotations

from typing import Any

from integrity.models import Report
from opsconsole import operations
from opsconsole.models import AuditEvent, Operation
from opsconsole.states import State
from tests.lifecycle.conftest import any_shop as any_shop
from tests.lifecycle.conftest import postgres_shop as postgres_shop
from tests.lifecycle.conftest import sqlite_shop as sqlite_shop
from tests.support.cases import work
from tests.support.console import Console


def check(console: Console, cast: Any, row: Any, **given: str) -> Operation:
    return work(console, operations.request("check", row, given, account=cast.ada))


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
