"""Ways to make a vote count that should not: none of them does."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection

from opsconsole import approvals, operations, people
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Stale
from opsconsole.fences import next_fence
from opsconsole.models import Account, ExecutionGrant, Operation, Vote
from opsconsole.states import State
from opsconsole.transitions import move
from tests.opsconsole.approvals.scenes import add_database, approve, ask, raw_vote
from tests.opsconsole.audit.story import armed
from tests.support.people import PASSWORD, close_bootstrap


def satisfied(operation: Operation) -> bool:
    operation.refresh_from_db()
    return approvals.tally(operation, at=now()).satisfied


def doubts(operation: Operation) -> str:
    operation.refresh_from_db()
    return " ".join(doubt for ballot in approvals.tally(operation, at=now()).ballots for doubt in ballot.doubts)


@pytest.fixture
def approved(team: Any) -> Operation:
    """ada's request, approved by grace and queued."""
    return approve(team.grace, ask(team.ada, team.savings))


def test_a_second_login_of_the_requester_does_not_vote(founders: Any) -> None:
    second = people.add_person("grace2", email="grace@example.test", password=PASSWORD).account
    savings = add_database("savings")
    close_bootstrap()
    operation = ask(founders.grace, savings)
    with pytest.raises(Refused, match="own request"):
        approve(second, operation)
    raw_vote(operation, second)
    assert not satisfied(operation)


def test_two_logins_of_one_person_are_one_vote(founders: Any) -> None:
    second = people.add_person("grace2", email="grace@example.test", password=PASSWORD).account
    operations.request_change(
        "policy.set",
        {"name": "two", "clauses": [{"role": "approvers", "count": 2}]},
        account=founders.admin,
        reason="it is wanted",
    )
    savings = add_database("savings")
    close_bootstrap()
    operation = approve(founders.grace, ask(founders.ada, savings))
    raw_vote(operation, second)
    assert not satisfied(operation)


def test_a_superuser_has_no_seat_even_by_raw_sql(team: Any) -> None:
    Account.objects.filter(pk=team.mallory.pk).update(is_superuser=True, is_staff=True)
    operation = ask(team.ada, team.savings)
    raw_vote(operation, Account.objects.get(username="mallory"))
    raw_vote(operation, team.admin)
    assert not satisfied(operation)
    assert "is neither" in doubts(operation)


def test_raw_sql_votes_do_not_queue_or_run_anything(team: Any) -> None:
    operation = ask(team.ada, team.savings)
    raw_vote(operation, team.ada)
    raw_vote(operation, team.mallory)
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("UPDATE opsconsole_operation SET state = 'running' WHERE id = %s", [operation.pk])
    assert not satisfied(operation)


def test_the_database_refuses_a_gated_run_without_its_votes(team: Any) -> None:
    operation = ask(team.ada, team.savings)
    move(operation, State.QUEUED)
    with pytest.raises(DatabaseError, match="approv"):
        move(operation, State.RUNNING, fence=next_fence())


def test_a_vote_in_somebody_else_s_name_does_not_count(team: Any) -> None:
    operation = ask(team.ada, team.savings)
    raw_vote(operation, team.ada, person=team.grace.person)
    assert not satisfied(operation) and "belongs to somebody else" in doubts(operation)


def test_a_vote_on_another_digest_is_refused_and_does_not_count(team: Any) -> None:
    operation, other = ask(team.ada, team.savings), ask(team.ada, team.savings)
    with pytest.raises(Refused, match="not the plan"):
        approve(team.grace, operation, digest=other.digest)
    raw_vote(operation, team.grace, digest=other.digest)
    assert not satisfied(operation)


def test_a_vote_for_one_operation_does_not_count_for_another_of_the_same_plan(team: Any) -> None:
    first = approve(team.grace, ask(team.ada, team.savings))
    second = ask(team.ada, team.savings)
    assert first.digest != second.digest and not satisfied(second)


def test_a_vote_given_again_does_not_count_twice(team: Any, need: Any) -> None:
    need("scrub", {"approvers": 2})
    operation = approve(team.grace, ask(team.ada, team.savings))
    with pytest.raises(Refused, match="already"):
        approve(team.grace, operation)
    replayed = Vote.objects.get(operation=operation)
    replayed.pk = None
    replayed.save(force_insert=True)
    assert not satisfied(operation)


def test_a_grant_is_good_for_one_run(approved: Any) -> None:
    given = {"digest": approved.digest, "fence": 1, "at": now()}
    ExecutionGrant.objects.create(operation=approved, **given)
    with pytest.raises(DatabaseError):
        ExecutionGrant.objects.create(operation=approved, **given)


def test_a_deactivated_voter_s_vote_lapses(approved: Any, team: Any) -> None:
    Account.objects.filter(pk=team.grace.pk).update(is_active=False)
    assert not satisfied(approved) and "deactivated" in doubts(approved)


def test_a_vote_lapses_with_the_role(approved: Any, team: Any) -> None:
    change = operations.request_change(
        "membership.remove", {"login": "grace", "role": "approvers"}, account=team.admin, reason="it is wanted"
    )
    assert approve(team.linus, change).state == "succeeded"
    assert not satisfied(approved)


def test_a_role_that_comes_back_does_not_bring_old_votes_back(approved: Any, team: Any, give: Any) -> None:
    change = operations.request_change(
        "membership.remove", {"login": "grace", "role": "approvers"}, account=team.admin, reason="it is wanted"
    )
    approve(team.linus, change)
    give(team.grace, "approvers", by=team.linus)
    assert not satisfied(approved) and "younger than the vote" in doubts(approved)


def test_what_somebody_asked_who_was_sent_away_meanwhile_does_not_run(founders: Any) -> None:
    savings, sandbox = add_database("savings"), add_database("sandbox", "development")
    close_bootstrap()
    approved = approve(founders.grace, ask(founders.ada, savings))
    alone = operations.request("scrub", sandbox, {}, account=founders.ada, confirm="sandbox")
    change = operations.request_change(
        "account.deactivate", {"login": "ada"}, account=founders.admin, reason="She left"
    )
    assert approve(founders.grace, change).state == "succeeded"
    for operation in (approved, alone):
        with pytest.raises(Stale, match="who asked for it, may not ask for it any more"):
            armed(Operation.objects.get(pk=operation.pk))


def test_a_password_reset_by_another_voids_earlier_votes(approved: Any, team: Any) -> None:
    given = {"login": "grace", "password": "given by the administrator"}
    change = operations.request_change("account.reset_password", given, account=team.admin, reason="it is wanted")
    assert satisfied(approved)
    assert approve(team.linus, change).state == "succeeded"
    assert not satisfied(approved) and "reset by somebody else" in doubts(approved)
    people.set_own_password(team.grace, "given by the administrator", "chosen by grace herself")
    assert not satisfied(approved)


def test_a_password_changed_by_its_owner_voids_nothing(approved: Any, team: Any) -> None:
    people.set_own_password(team.grace, PASSWORD, "chosen by grace herself")
    assert satisfied(approved)


def test_a_password_set_by_a_shell_voids_votes_until_a_confirmed_reset(approved: Any, team: Any) -> None:
    grace = Account.objects.get(username="grace")
    grace.set_password("slipped in by a shell")
    grace.save()
    assert not satisfied(approved) and "nobody who was confirmed" in doubts(approved)
    operation = ask(team.ada, team.savings)
    with pytest.raises(Refused, match="reset"):
        approve(grace, operation)
    given = {"login": "grace", "password": "agreed with the others", "must_change": "no"}
    approve(
        team.linus,
        operations.request_change("account.reset_password", given, account=team.admin, reason="it is wanted"),
    )
    assert approve(Account.objects.get(username="grace"), operation).state == "queued"


def test_a_one_time_password_votes_for_nobody(team: Any) -> None:
    Account.objects.filter(pk=team.grace.pk).update(must_change_password=True)
    operation = ask(team.ada, team.savings)
    with pytest.raises(Refused, match="one-time"):
        approve(Account.objects.get(username="grace"), operation)


def test_a_relabelled_database_keeps_what_was_asked_for_it(team: Any) -> None:
    from opsconsole.databases import registration

    operation = ask(team.ada, team.savings)
    team.savings.refresh_from_db()
    given = registration.edition(team.savings, {"environment": "development"})
    approve(team.grace, operations.request_change("database.edit", given, account=team.admin, reason="it is wanted"))
    assert not satisfied(operation)


def test_a_database_registered_twice_keeps_its_protection(team: Any) -> None:
    team.savings.refresh_from_db()
    given = {
        "name": "harmless", "engine": "sqlite", "display": "sqlite:///x", "url_env": "NOWHERE_URL", "url_sealed": "",
        "identity": team.savings.identity, "incarnation": "", "server_version": "", "problem": "", "warnings": [],
        "environment": "development", "owner_group": "default", "queue": "default", "tags": [],
    }  # fmt: skip
    approve(team.grace, operations.request_change("database.add", given, account=team.admin, reason="it is wanted"))
    alias = type(team.savings).objects.get(name="harmless")
    assert ask(team.ada, alias).gated


def test_votes_cannot_be_rewritten(approved: Any, team: Any) -> None:
    for tamper in (
        lambda: Vote.objects.update(person=team.linus.person),
        lambda: Vote.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError, match="append-only"):
            tamper()
