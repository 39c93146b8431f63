"""Whose votes count, and how many there must be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from opsconsole import approvals, operations
from opsconsole.clock import now
from opsconsole.exceptions import Refused
from opsconsole.models import AuditEvent
from tests.opsconsole.approvals.scenes import approve, ask, later, raw_vote


def why_not(account: Any, operation: Any) -> list[str]:
    return [refusal.code for refusal in approvals.may_vote(account, operation)]


def test_a_protected_database_waits_for_one_other_person(team: Any) -> None:
    operation = ask(team.ada, team.savings)
    assert (operation.state, operation.votes_needed) == ("pending_approval", 1)
    assert approve(team.grace, operation).state == "queued"


def test_an_unprotected_database_waits_for_nobody_and_is_labelled_so(team: Any) -> None:
    operation = ask(team.ada, team.sandbox)
    assert (operation.state, operation.gated, operation.self_confirmed) == ("queued", False, True)


def test_a_kind_that_changes_nothing_waits_for_nobody(team: Any) -> None:
    assert ask(team.ada, team.savings, "copy").state == "queued"


def test_nobody_decides_on_their_own_request(team: Any) -> None:
    operation = ask(team.grace, team.savings)
    assert why_not(team.grace, operation) == ["own_request"]
    with pytest.raises(Refused, match="own request"):
        approve(team.grace, operation)


def test_a_superuser_without_the_role_has_no_seat(team: Any) -> None:
    assert why_not(team.admin, ask(team.ada, team.savings)) == ["no_seat"]


def test_an_engineer_and_an_auditor_have_no_seat(team: Any) -> None:
    operation = ask(team.ada, team.savings)
    assert why_not(team.bob, operation) == why_not(team.audrey, operation) == ["no_seat"]


def test_one_person_never_fills_two_seats(team: Any, need: Any) -> None:
    need("scrub", {"approvers": 2})
    operation = ask(team.ada, team.savings)
    assert approve(team.grace, operation).state == "pending_approval"
    assert why_not(team.grace, operation) == ["already_voted"]
    raw_vote(operation, team.grace)
    tally = approvals.tally(operation, at=now())
    assert tally.missing == ("1 more of approvers of default",) and not tally.satisfied


def test_whoever_fits_two_seats_takes_the_one_that_leaves_the_other_free(team: Any, need: Any, give: Any) -> None:
    give(team.grace, "administrators")
    need("scrub", {"approvers": 1, "administrators": 1})
    operation = ask(team.ada, team.savings)
    raw_vote(operation, team.grace)
    raw_vote(operation, team.linus)
    seats = {seat.clause.roles[0]: seat.person.name for seat in approvals.tally(operation, at=now()).seats}
    assert seats == {"approvers": "Linus", "administrators": "Grace"}


def test_people_beyond_the_clauses_may_be_anyone_who_fits_one(team: Any, need: Any) -> None:
    need("scrub", {"approvers": 1}, min_people=2)
    operation = ask(team.ada, team.savings)
    assert operation.votes_needed == 2
    assert approve(team.grace, operation).state == "pending_approval"
    assert approve(team.linus, operation).state == "queued"


def test_two_votes_at_once_queue_it_once(team: Any) -> None:
    operation = ask(team.ada, team.savings)

    def vote(account: Any) -> str:
        try:
            return str(approve(account, operation).state)
        except Refused as refused:
            return refused.code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        ends = sorted(pool.map(vote, (team.grace, team.linus)))
    assert ends == ["overtaken", "queued"]
    assert AuditEvent.objects.filter(operation_id=operation.pk, type="op.approved").count() == 1


def test_a_veto_ends_it_whatever_others_said(team: Any, need: Any) -> None:
    need("scrub", {"approvers": 2})
    operation = ask(team.ada, team.savings)
    approve(team.grace, operation)
    given = {"digest": operation.digest, "auth_at": now()}
    assert operations.reject(operation, account=team.linus, reason="not today", **given).state == "rejected"
    with pytest.raises(Refused, match="rejected"):
        approve(team.grace, operation)


def test_a_withdrawn_vote_no_longer_counts(team: Any, need: Any) -> None:
    need("scrub", {"approvers": 2})
    operation = ask(team.ada, team.savings)
    approve(team.grace, operation)
    operations.withdraw(operation, account=team.grace)
    assert approve(team.linus, operation).state == "pending_approval"


def test_votes_lapse_with_the_request(team: Any) -> None:
    operation = ask(team.ada, team.savings)
    approve(team.grace, operation)
    assert approvals.tally(operation, at=now()).satisfied
    with later(hours=5):
        assert not approvals.tally(operation, at=now()).satisfied


def test_nobody_votes_after_the_end(team: Any) -> None:
    operation = ask(team.ada, team.savings)
    with later(hours=5):
        assert why_not(team.grace, operation) == ["expired"]
        with pytest.raises(Refused, match="expired"):
            approve(team.grace, operation)


def test_a_new_approver_has_to_wait(team: Any, founders: Any) -> None:
    operation = approve(team.grace, operations.request_change(
        "membership.add", {"login": "bob", "role": "approvers"}, account=team.admin, reason="it is wanted"
    ))  # fmt: skip
    assert operation.state == "succeeded"
    assert why_not(team.bob, ask(team.ada, team.savings)) == ["role_too_new"]
    with later(hours=25):
        assert why_not(team.bob, ask(team.ada, team.savings)) == []


def test_a_vote_needs_a_password_that_was_just_given(team: Any) -> None:
    operation = ask(team.ada, team.savings)
    with later(minutes=-11):
        long_ago = now()
    for proved in (long_ago, None):
        with pytest.raises(Refused, match="password"):
            approve(team.grace, operation, auth_at=proved)


def test_who_may_vote_is_told_by_name(team: Any) -> None:
    operation = ask(team.grace, team.savings)
    people = approvals.who_may(operation, approvals.requirement_of(operation, at=now()), at=now())
    assert [person.name for person in people] == ["Linus"]


def test_a_service_asks_for_its_owner(team: Any) -> None:
    service = confirmed_service(team)
    operation = ask(service, team.savings)
    assert operation.requester_person == team.grace.person
    assert why_not(team.grace, operation) == ["own_request"]
    assert "service" in why_not(service, operation)


def confirmed_service(team: Any) -> Any:
    from opsconsole.models import Account

    for action, given in (
        ("person.add", {"login": "robot", "service_owner": "grace"}),
        ("membership.add", {"login": "robot", "role": "engineers"}),
    ):
        approve(team.linus, operations.request_change(action, given, account=team.admin, reason="it is wanted"))
    return Account.objects.get(username="robot")
