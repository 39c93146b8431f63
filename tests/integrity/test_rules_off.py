"""A rule that is off is asked by nothing, what it told is not looked at, and everybody is told that it is off."""

from __future__ import annotations

import json
import re
from io import BytesIO
from typing import Any

import pytest

from integrity.health.looking import look_at
from integrity.models import Report, Rule
from integrity.posture import read as posture_of
from integrity.reporting.exporting import export
from integrity.rules import in_force
from integrity.rules.exchanging import read, write
from integrity.rules.requested import as_json
from opsconsole import audit, operations
from opsconsole.exceptions import OpsError, Refused, Usage
from opsconsole.models import AuditEvent, Operation
from opsconsole.posture import Level
from opsconsole.review import Dialect
from opsconsole.states import State
from tests.integrity.pages.test_report_pages import read as read_page
from tests.integrity.test_check import check
from tests.integrity.test_rule_changes import FEWER, OWED, confirmed
from tests.lifecycle.conftest import sqlite_shop as sqlite_shop
from tests.opsconsole.approvals.scenes import approve
from tests.opsconsole.pages.conftest import Office
from tests.support.reports import found, list_report
from tests.support.tampering import guards_off

CHECK = "rule:nothing-owed"


def asked(cast: Any, row: Any, to: str, *names: str, reason: str = "Being mended.", **more: Any) -> Operation:
    given = {"database": row.id, to: list(names), **more}
    return operations.request_change(in_force.ACTION, given, account=cast.ada, reason=reason)


def switch(cast: Any, row: Any, to: str, *names: str) -> Operation:
    done = approve(cast.grace, asked(cast, row, to, *names))
    assert done.state == State.SUCCEEDED, done.failure_why
    return done


def report_of(done: Operation) -> Report:
    assert done.state == State.SUCCEEDED, done.failure_why
    return Report.objects.get(pk=done.pk)


def test_what_a_rule_told_is_not_looked_at_while_it_is_off_and_neither_fixed_nor_new_afterwards(
    console, cast, sqlite_shop
):
    shop, row = sqlite_shop
    confirmed(cast, row, OWED, FEWER)
    first = report_of(check(console, cast, row, category="Business Rules"))
    (finding,) = first.findings.filter(check_name=CHECK)
    waiting = asked(cast, row, "off", "nothing-owed")
    assert (waiting.state, in_force.asked_of(row)[1].name) == (State.PENDING_APPROVAL, "orders-stay")
    assert waiting.plan.summary == "A check of shop does not ask, until it is switched on: nothing-owed."
    (step,) = waiting.plan.steps
    assert (step.title, step.sql) == ("nothing-owed is switched off: no check asks it", "")
    assert (waiting.plan.risk, waiting.plan.risk_reasons[-1]) == ("medium", "Checks find less than before.")
    assert approve(cast.grace, waiting).state == State.SUCCEEDED
    assert [rule.name for rule in in_force.asked_of(row)] == ["orders-stay"]
    done = check(console, cast, row, rule="orders-stay")
    second = report_of(done)
    assert second.off == [{"rule": "nothing-owed", "operation": waiting.pk, "findings": [finding.pk]}]
    assert (second.fixed, second.gone, second.carried, second.open_critical) == ([], [], [], 0)
    assert not second.findings.filter(check_name=CHECK).exists()
    assert (done.result["stands"], done.result["off"]) == (False, ["nothing-owed"])
    assert "the rule nothing-owed is switched off, and was not asked" in done.result["summary"]
    assert "switched off: nothing-owed." in done.plan.steps[0].detail
    shop.change("DELETE FROM orders WHERE id < 3")
    switch(cast, row, "on", "nothing-owed")
    third = report_of(check(console, cast, row, category="Business Rules"))
    assert ([(each["check"], each["fingerprint"]) for each in third.fixed], third.off) == (
        [(CHECK, finding.fingerprint)], []
    )  # fmt: skip
    assert {each.code for each in audit.verify(approvals=True).findings} == {"database"}  # added past the console
    told = AuditEvent.objects.filter(type="rule.set").order_by("id").values_list("payload", flat=True)
    assert [json.loads(each)["data"]["off"] for each in told] == [False, False, True, False]


def test_pages_files_health_and_posture_say_which_rules_are_off_and_nothing_is_set_right_by_them(cast, sqlite_shop):
    _, row = sqlite_shop
    confirmed(cast, row, {**OWED, "fix": {"action": "delete_rows"}})
    first = list_report(row, cast.ada, [found("orders", check=CHECK)])
    (finding,) = first.findings.all()
    office = Office(people=cast, savings=row, sandbox=row)
    client, rules = office.at("ada"), f"/databases/{row.name}/rules/"
    client.post(f"{rules}switch/off/", {"rule": "nothing-owed", "reason": "Imported twice on Monday."})
    approve(cast.grace, Operation.objects.latest("id"))
    off = Operation.objects.latest("id")
    html = read_page(client, rules)
    assert "1 rule, 1 switched off" in html and f"operation {off.pk}</a>: Imported twice on Monday." in html
    assert f"{rules}switch/on/" in html and "Ask to switch nothing-owed on" in html
    assert "1 is switched off" in read_page(client, f"/databases/{row.name}/integrity/")
    assert re.search('name="off"[^>]* checked', read_page(client, f"{rules}new/row/?rule=nothing-owed"))
    second = list_report(row, cast.ada, [], off={CHECK: off.pk})
    for address in (second.get_absolute_url(), f"{second.get_absolute_url()}print/"):
        html = read_page(client, address)
        assert "1 rule was switched off, and not asked" in html and "Imported twice on Monday." in html
        assert finding.get_absolute_url() in html and "not looked at" in html
    table = b"".join(export(second, "csv", samples=True)).decode()
    assert (
        f"The rule nothing-owed was switched off by operation {off.pk}, and not asked; 1 finding of it stood" in table
    )
    line = next(line for line in posture_of([row])[row.pk] if line.topic == "rules")
    assert (line.level, line.sentence) == (Level.WATCH, "1 of its rules is switched off (critical): no check asks it.")
    look = look_at(row)
    assert (look.healthy, look.checks) == (True, {"owed": None})
    assert look.to_json()["details"]["summary"]["issues"] == [
        "owed is not counted: the rule nothing-owed is switched off."
    ]
    for given in ({"names": "owed"}, {"report": str(first.pk), "finding": finding.fingerprint}):
        with pytest.raises(Refused, match="switched off, so nothing that it told is set right"):
            operations.request("fix", row, given, account=cast.ada)
    with pytest.raises(Usage, match="is switched off, so that no check asks it"):
        operations.request("check", row, {"rule": "nothing-owed"}, account=cast.ada)


def test_only_a_reason_and_another_person_switch_a_rule_and_none_that_is_so_already(cast, sqlite_shop):
    _, row = sqlite_shop
    confirmed(cast, row, OWED, FEWER)
    refused: tuple[tuple[str, tuple[str, ...], dict[str, Any], str], ...] = (
        ("off", ("nothing-owed",), {"reason": " "}, "needs a reason"),
        ("on", ("nothing-owed",), {}, "is on already"),
        ("off", ("nowhere",), {}, "has no rule nowhere"),
        ("off", ("orders-stay",), {"remove": ["orders-stay"]}, "both set and removed"),
        ("off", ("orders-stay",), {"rules": [{**FEWER, "owner": "Ada"}]}, "both set and switched"),
    )
    for to, names, more, why in refused:
        with pytest.raises(Usage, match=why):
            asked(cast, row, to, *names, **more)
    waiting = asked(cast, row, "off", "nothing-owed", "orders-stay")
    with pytest.raises(OpsError, match="own request"):
        approve(cast.ada, waiting)
    approve(cast.grace, waiting)
    both = asked(cast, row, "on", "nothing-owed", "orders-stay")
    assert both.plan.summary == "A check of shop asks again: nothing-owed, orders-stay."
    assert (both.plan.risk, both.plan.steps[1].commit_point) == ("low", True)


def test_a_rule_that_was_switched_off_past_the_console_is_a_critical_finding(cast, sqlite_shop):
    _, row = sqlite_shop
    confirmed(cast, row, OWED)
    with pytest.raises(Exception, match="stays as it was confirmed"):
        Rule.objects.update(off=True)
    with guards_off("rule_update_said"):
        Rule.objects.update(off=True)
    (rule,) = in_force.asked_of(row)
    assert (rule.kind, rule.severity) == ("altered", "critical")
    assert "rule" in {each.code for each in audit.verify().findings}


@pytest.mark.parametrize("format", ["json", "csv"])
def test_a_file_takes_along_that_a_rule_is_off_and_says_nothing_of_one_that_is_on(cast, sqlite_shop, format):
    _, row = sqlite_shop
    confirmed(cast, row, OWED, {**FEWER, "off": True})
    on, off = in_force.rules_of(row)
    assert ("off" in as_json(on), as_json(off)["off"]) == (False, True)
    brought = read(BytesIO(write([on, off], format).encode()), Dialect.SQLITE)
    assert brought == [as_json(on), as_json(off)]
