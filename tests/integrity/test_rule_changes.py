"""Rules are set, replaced and removed by a change that another person confirms, and only confirmed words are asked."""

from __future__ import annotations

from typing import Any

import pytest

from integrity.models import Report, Rule
from integrity.rules import in_force
from integrity.rules.requested import rule_from
from opsconsole import audit, operations
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import AuditEvent, Operation
from opsconsole.review import Dialect
from opsconsole.states import State
from tests.integrity.test_check import check
from tests.lifecycle.conftest import any_shop as any_shop
from tests.lifecycle.conftest import postgres_shop as postgres_shop
from tests.lifecycle.conftest import sqlite_shop as sqlite_shop
from tests.opsconsole.approvals.scenes import approve
from tests.support.tampering import guards_off

OWED: dict[str, Any] = {
    "name": "nothing-owed", "kind": "row", "severity": "critical", "health": "owed",
    "spec": {"table": "orders", "violates": "t.id < 3"},
}  # fmt: skip
FEWER: dict[str, Any] = {"name": "orders-stay", "kind": "count", "spec": {"table": "orders"}}


def asked(cast: Any, row: Any, *rules: Any, remove: tuple[str, ...] = ()) -> Operation:
    given = {"database": row.id, "rules": list(rules), "remove": list(remove)}
    return operations.request_change(in_force.ACTION, given, account=cast.ada, reason="It must hold.")


def confirmed(cast: Any, row: Any, *rules: Any, remove: tuple[str, ...] = ()) -> Operation:
    done = approve(cast.grace, asked(cast, row, *rules, remove=remove))
    assert done.state == State.SUCCEEDED, done.failure_why
    return done


def test_another_person_reads_the_exact_sql_and_then_checks_ask_it(console, cast, any_shop):
    _, row = any_shop
    waiting = asked(cast, row, OWED, FEWER)
    assert (waiting.state, in_force.rules_of(row)) == (State.PENDING_APPROVAL, [])
    one, other = waiting.plan.steps
    assert "(t.id < 3) IS TRUE" in one.sql
    assert one.sql.startswith("SELECT t.* FROM ")
    assert (other.sql.startswith("SELECT count(*) FROM "), other.commit_point) == (True, True)
    with pytest.raises(Exception, match="own request"):
        approve(cast.ada, waiting)
    assert approve(cast.grace, waiting).state == State.SUCCEEDED
    report = Report.objects.get(pk=check(console, cast, row, rule="nothing-owed").pk)
    (finding,) = report.findings.all()
    assert (finding.severity, finding.count, finding.check_name) == ("critical", 2, "rule:nothing-owed")
    assert AuditEvent.objects.filter(type="rule.set").count() == 2


def test_what_is_replaced_or_removed_is_kept_and_no_longer_asked(cast, sqlite_shop):
    _, row = sqlite_shop
    confirmed(cast, row, OWED, FEWER)
    with pytest.raises(Usage, match="already"):
        asked(cast, row, OWED)
    second = asked(cast, row, {**OWED, "threshold": 5}, FEWER, remove=())
    assert [step.title.partition(":")[0] for step in second.plan.steps] == ["nothing-owed"]  # the other one is there
    late = asked(cast, row, {**OWED, "threshold": 9})
    approve(cast.grace, second)
    assert approve(cast.grace, late).state == State.FAILED  # it was changed meanwhile
    confirmed(cast, row, remove=("orders-stay",))
    (rule,) = in_force.rules_of(row)
    assert (rule.name, rule.threshold, Rule.objects.count()) == ("nothing-owed", 5, 3)


def test_the_history_accounts_for_every_rule_and_for_none_that_was_slipped_in(cast, sqlite_shop):
    _, row = sqlite_shop
    done = confirmed(cast, row, OWED)
    known = audit.verify(approvals=True).findings
    assert {each.code for each in known} == {"database"}  # which the fixture added past the console
    with guards_off():
        Rule.objects.create(
            database=row, name="slipped", kind="row", severity="info", spec={}, operation=done, set_at=now()
        )
    assert [each.code for each in audit.verify().findings if each not in known] == ["rule"]
    with guards_off():
        Rule.objects.filter(name="slipped").delete()
        Rule.objects.update(replaced_by=done)
    (gone,) = (each for each in audit.verify().findings if each not in known)
    assert (gone.code, "is not asked any more, and no event" in gone.why) == ("rule", True)


def test_a_row_altered_past_the_console_is_a_critical_finding_and_is_not_run(console, cast, sqlite_shop):
    _, row = sqlite_shop
    confirmed(cast, row, OWED)
    with guards_off("rule_update_said"):
        Rule.objects.update(spec={"table": "orders", "violates": "t.id < 0", "holds": "", "show": []}, severity="info")
    done = check(console, cast, row, mode="quick")
    (finding,) = Report.objects.get(pk=done.pk).findings.filter(check_name="rule:nothing-owed")
    assert (finding.severity, finding.failed) == ("critical", True)
    assert "not the one that was confirmed" in finding.sentence
    confirmed(cast, row, OWED)
    assert in_force.rules_of(row)[0].kind == "row"


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({**OWED, "name": "A b"}, "no name for a rule"),
        ({**OWED, "kind": "magic"}, "no kind of rule"),
        ({**OWED, "kind": "altered", "spec": {}}, "no kind of rule"),
        ({**OWED, "colour": "red"}, "has no colour"),
        ({**OWED, "spec": {"table": "orders"}}, "violates or holds"),
        ({**OWED, "spec": {"table": "orders", "violates": "1); DELETE FROM orders"}}, "SQL of violates"),
        ({**OWED, "spec": {"table": "orders", "violates": "load_extension('x')"}}, "load_extension"),
        ({**OWED, "severity": "fatal"}, "no severity"),
        ({**OWED, "threshold": -1}, "threshold"),
        ({**OWED, "health": "a b"}, "health"),
        ({**FEWER, "health": "a"}, "cannot count"),
        ({**OWED, "fix": {"action": "set_value", "column": "total", "value": "0) FROM x"}}, "fix's value"),
        ({**OWED, "fix": {"action": "drop_table"}}, "no fix"),
        ({**FEWER, "fix": {"action": "delete_rows"}}, "name no rows"),
        ({**FEWER, "spec": {"table": "orders", "percent": 101}}, "more than all"),
        ({**FEWER, "kind": "sql", "spec": {"query": "DELETE FROM orders", "says": "x"}}, "SQL of query"),
        ({**FEWER, "kind": "expired", "spec": {"table": "a", "column": "b", "older_than": "1 moon"}}, "no age"),
    ],
)
def test_a_rule_that_makes_no_sense_or_reaches_too_far_is_refused(rule, why):
    with pytest.raises(Usage, match=why):
        rule_from(rule, Dialect.SQLITE)


def test_two_rules_of_one_name_or_of_one_name_of_health_are_refused(cast, sqlite_shop):
    _, row = sqlite_shop
    with pytest.raises(Usage, match="there twice"):
        asked(cast, row, OWED, OWED)
    with pytest.raises(Usage, match="same name of health"):
        asked(cast, row, OWED, {**OWED, "name": "other"})
    with pytest.raises(Usage, match="has no rule"):
        asked(cast, row, remove=("other",))


def test_a_rule_that_does_not_fit_yet_may_be_set_and_the_plan_says_so(cast, sqlite_shop):
    _, row = sqlite_shop
    waiting = asked(cast, row, {**FEWER, "spec": {"table": "coming"}})
    assert "no table coming" in waiting.plan.steps[0].detail
    assert any("could not be asked" in reason for reason in waiting.plan.risk_reasons)


def test_sql_that_the_database_refuses_is_told_before_anybody_confirms_it(cast, any_shop):
    _, row = any_shop
    wrong = {**OWED, "name": "wrong", "health": "", "spec": {"table": "orders", "violates": "t.nowhere > 1"}}
    several = asked(cast, row, OWED, wrong)
    assert "One of these rules does not fit" in several.plan.risk_reasons[0]
    assert "nowhere" in several.plan.risk_reasons[-1] and several.plan.risk_reasons[-1].startswith("wrong: ")
    sound, broken = several.plan.steps
    assert "Cannot be asked" not in sound.detail and "Cannot be asked as it is: " in broken.detail
    mended = {"action": "set_value", "column": "cents", "value": "t.elsewhere"}
    (cure,) = asked(cast, row, {**OWED, "fix": mended}).plan.steps
    assert "Cannot be asked as it is: " in cure.detail and "elsewhere" in cure.detail


def test_whoever_confirms_a_change_reads_what_is_given_up(cast, sqlite_shop):
    _, row = sqlite_shop
    confirmed(cast, row, OWED, FEWER)
    asked_anew = asked(cast, row, {**OWED, "threshold": 5, "severity": "info"}, remove=("orders-stay",))
    changed, gone = (step.detail for step in asked_anew.plan.steps)
    assert "More than 5 rows are a finding." in changed
    assert "Until now: critical, Business Rules: no row of orders has t.id < 3." in changed
    assert gone == "Until now: warning, Data Consistency: the number of rows of orders does not fall."
    assert [each.action for each in asked_anew.plan.effects] == ["replaced", "removed"]


def test_asked_for_on_a_shell_while_the_console_is_set_up_two_agree_as_the_history_demands(cast, sqlite_shop):
    _, row = sqlite_shop
    given = {"database": row.id, "rules": [OWED]}
    waiting = operations.request_change(in_force.ACTION, given, account=None, reason="It must hold.")
    assert approve(cast.grace, waiting).state == State.PENDING_APPROVAL  # who asked may be grace
    assert approve(cast.linus, Operation.objects.get(pk=waiting.pk)).state == State.SUCCEEDED
    assert {each.code for each in audit.verify(approvals=True).findings} == {"database"}


def test_who_may_not_ask_for_checks_may_not_set_rules(cast, sqlite_shop):
    _, row = sqlite_shop
    given = {"database": row.id, "rules": [OWED]}
    with pytest.raises(Refused):
        operations.request_change(in_force.ACTION, given, account=cast.audrey, reason="x")
