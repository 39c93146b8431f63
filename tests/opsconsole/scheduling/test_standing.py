"""A schedule's runs are approved once, for its sealed template; what moves away from that waits for people again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from opsconsole import arming, operations
from opsconsole.exceptions import OpsError, Stale
from opsconsole.models import AuditEvent, Database, Environment, Operation, Schedule, Vote
from opsconsole.plans import Plan
from opsconsole.scheduling import due, standing
from opsconsole.states import State
from opsconsole.transitions import move
from tests.opsconsole.approvals.scenes import approve, ask, later, raw_vote
from tests.opsconsole.scheduling.scenes import FIRST, set_up, unsound
from tests.support.tampering import guards_off

SCRUBS = {"name": "scrubs", "kind": "scrub"}
STRICT = {"name": "strict", "match": {"kinds": ["scrub"]}, "clauses": [{"role": "approvers", "count": 2}]}


def confirmed(people: Any, action: str, **wanted: Any) -> None:
    """A change that administrators ask for and linus confirms."""
    asked = operations.request_change(action, wanted, account=people.admin, reason="as agreed")
    assert approve(people.linus, asked).state == State.SUCCEEDED, asked.state


def started() -> Operation:
    assert due.start() == 1
    return Operation.objects.exclude(kind="change").latest("id")


def change() -> Operation:
    row = Schedule.objects.get(name="scrubs", version=1)
    assert row.changed_by is not None
    return row.changed_by


def test_runs_are_carried_by_the_votes_that_confirmed_the_schedule(people: Any) -> None:
    set_up(people, **SCRUBS)
    (vote,) = change().votes.all()
    with later(**FIRST):
        run = started()
        assert (run.state, run.gated, run.standing, run.votes.count()) == (State.QUEUED, True, change(), 0)
        move(run, State.RUNNING, fence=7)
        arming.arm(run.pk, 7, {})
        move(Operation.objects.get(pk=run.pk), State.SUCCEEDED)
    run.refresh_from_db()
    assert (run.grant.inputs["votes"], run.grant.inputs["standing"]) == ([vote.pk], change().pk)
    told = AuditEvent.objects.get(operation_id=run.pk, type="op.approved_once")
    assert b'"schedule":"scrubs"' in bytes(told.payload)
    assert unsound() == []
    with later(days=1, **FIRST):
        assert started().state == State.QUEUED  # and so is the next one


def policy_is_tightened(people: Any) -> None:
    confirmed(people, "policy.set", **STRICT)


def some_policy_is_set(people: Any) -> None:
    confirmed(people, "policy.set", **{**STRICT, "match": {"kinds": ["copy"]}})


def approver_loses_the_role(people: Any) -> None:
    confirmed(people, "membership.remove", login="grace", role="approvers", owner_group="default")


def approver_is_switched_off(people: Any) -> None:
    confirmed(people, "account.deactivate", login="grace")


def approval_is_taken_back(people: Any) -> None:
    operations.withdraw(change(), account=people.grace, reason="I thought again")


def database_became_another(people: Any) -> None:
    Database.objects.filter(name="savings").update(identity="sqlite:1:savings:/elsewhere")


def environment_is_another(people: Any) -> None:
    staging = Environment.objects.get(name="staging")
    with guards_off():
        Database.objects.filter(name="savings").update(environment=staging)
        Environment.objects.filter(name="staging").update(protected=True)


def row_is_edited_past_the_guards(people: Any) -> None:
    with guards_off():
        Schedule.objects.filter(name="scrubs").update(parameters={"source": "savings"})


def it_is_made_to_run_more_often(people: Any) -> None:
    with guards_off():
        Schedule.objects.filter(name="scrubs").update(late_minutes=9000)


def template_is_widened_past_the_guards(people: Any) -> None:
    row = Schedule.objects.get(name="scrubs")
    with guards_off():
        Schedule.objects.filter(pk=row.pk).update(template={**row.template, "days": 366, "kind": "costly"})


def it_is_handed_to_another_change(people: Any) -> None:
    other = operations.request_change("policy.set", STRICT, account=people.admin, reason="it is wanted")
    with guards_off():
        Schedule.objects.filter(name="scrubs").update(changed_by=other)


WAITS: dict[Callable[[Any], None], str] = {
    policy_is_tightened: "Policies were changed since it was given",
    some_policy_is_set: "Policies were changed since it was given",
    approver_loses_the_role: "1 more of approvers of default",
    approver_is_switched_off: "1 more of approvers of default",
    approval_is_taken_back: "1 more of approvers of default",
    database_became_another: "savings has another identity than was approved",
    environment_is_another: "savings has another environment than was approved",
    row_is_edited_past_the_guards: "The schedule is not what was confirmed",
    it_is_made_to_run_more_often: "The schedule is not what was confirmed",
    template_is_widened_past_the_guards: "The schedule is not what was confirmed",
    it_is_handed_to_another_change: "The schedule is not what was confirmed",
}


def test_whatever_moves_makes_the_next_run_wait_for_people(people: Any) -> None:
    set_up(people, **SCRUBS)
    for attack, why in WAITS.items():
        with transaction.atomic(), later(**FIRST):
            attack(people)
            run = started()
            assert (run.state, run.standing) == (State.PENDING_APPROVAL, None), attack
            assert why in run.reason, (attack, run.reason)
            transaction.set_rollback(True)
    with later(days=91, **FIRST):
        run = started()
    assert run.state == State.PENDING_APPROVAL and "It counted until" in run.reason


def test_what_moves_while_a_run_is_queued_keeps_it_from_being_armed(people: Any) -> None:
    set_up(people, **SCRUBS)
    attacks: list[Callable[[Any], object]] = [
        policy_is_tightened, approver_loses_the_role, approval_is_taken_back, environment_is_another,
        row_is_edited_past_the_guards, lambda people: set_up(people, **SCRUBS, title="Anew"),
        lambda people: confirmed(people, "schedule.off", name="scrubs"),
    ]  # fmt: skip
    with later(**FIRST):
        run = started()
        for attack in attacks:
            with transaction.atomic():
                move(run, State.RUNNING, fence=7)
                attack(people)
                with pytest.raises(Stale, match="approval"):
                    arming.arm(run.pk, 7, {})
                transaction.set_rollback(True)
            run.refresh_from_db()


def test_what_a_plan_would_cost_is_approved_for_itself(people: Any) -> None:
    set_up(people, **SCRUBS | {"kind": "costly"})
    with later(**FIRST):
        run = started()
    assert run.state == State.PENDING_APPROVAL
    assert "Its plan says what it would cost now" in run.reason
    approve(people.grace, run)  # as today, with the number typed
    assert Operation.objects.get(pk=run.pk).state == State.QUEUED


def test_the_people_of_the_policy_must_confirm_the_schedule_itself(people: Any) -> None:
    confirmed(people, "policy.set", **{**STRICT, "match": {"kinds": ["copy"]}})
    asked = operations.request_change(
        "schedule.set", {"name": "copies", "kind": "copy", "databases": "savings", "cron": "0 3 * * *"},
        account=people.ada, reason="it is wanted",
    )  # fmt: skip
    assert asked.votes_needed == 2
    assert "approves its runs on savings, for 90 days" in asked.plan.risk_reasons[0]
    assert approve(people.grace, asked).state == State.PENDING_APPROVAL
    assert approve(people.linus, asked).state == State.SUCCEEDED
    once = standing.approved_once(Schedule.objects.get(name="copies"))
    assert once is not None and once.holds and len(once.ballots) == 2


def test_nobody_can_put_a_run_under_a_standing_approval_by_hand(people: Any) -> None:
    """Nor is there a verb for it: what a person asks for waits, and raw rows meet the guards."""
    set_up(people, **SCRUBS)
    savings = Database.objects.get(name="savings")
    asked = ask(people.admin, savings)
    assert (asked.state, asked.standing) == (State.PENDING_APPROVAL, None)
    with pytest.raises(Exception, match="sealed when it is made"):
        Operation.objects.filter(pk=asked.pk).update(standing=change())
    forged = smuggled(asked, standing_id=Operation.objects.filter(kind="change").earliest("id").pk)
    with pytest.raises(Exception, match="needs approvals for exactly its plan"):
        Operation.objects.filter(pk=forged.pk).update(state=State.RUNNING)
    costly = smuggled(asked, standing_id=change().pk, kind="costly")
    with pytest.raises(Exception, match="needs approvals for exactly its plan"):
        Operation.objects.filter(pk=costly.pk).update(state=State.RUNNING)
    run = smuggled(asked, standing_id=change().pk)  # of the right kind, so that only the history tells
    Operation.objects.filter(pk=run.pk).update(state=State.RUNNING)
    assert any("at no time of a schedule" in why for why in unsound())
    raw_vote(change(), people.grace, decision=Vote.Decision.WITHDRAW)
    another = smuggled(asked, standing_id=change().pk)
    with pytest.raises(Exception, match="needs approvals for exactly its plan"):
        Operation.objects.filter(pk=another.pk).update(state=State.RUNNING)


def smuggled(like: Operation, **more: Any) -> Operation:
    """A row made past every verb, and queued."""
    values = {field.attname: getattr(like, field.attname) for field in Operation._meta.concrete_fields}
    row = Operation.objects.create(**{**values, "id": None, "state": State.PLANNED, **more})
    Operation.objects.filter(pk=row.pk).update(state=State.QUEUED)
    return row


def test_an_approval_that_ended_is_given_anew_with_the_schedule(people: Any) -> None:
    set_up(people, **SCRUBS)
    approval_is_taken_back(people)
    with pytest.raises(OpsError):
        operations.withdraw(change(), account=people.grace)
    set_up(people, **SCRUBS)
    once = standing.approved_once(Schedule.objects.latest("id"))
    assert once is not None and once.holds
    with later(**FIRST):
        assert started().state == State.QUEUED
    assert unsound() == []


def test_what_is_sealed_names_everything_that_a_run_may_not_leave(people: Any) -> None:
    template = set_up(people, **SCRUBS).template
    savings = Database.objects.get(name="savings")
    assert (template["kind"], template["parameters"], template["days"]) == ("scrub", {"source": ""}, 90)
    assert [(p["database"], p["identity"], p["environment"]) for p in template["databases"]] == [
        (savings.pk, savings.identity, "production")
    ]
    assert Plan.from_bytes(change().plan_text).parameters["template"] == template
