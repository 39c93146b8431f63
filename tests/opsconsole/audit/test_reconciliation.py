"""Rows that the history does not account for, and events without their rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from opsconsole import audit
from opsconsole.clock import now
from opsconsole.models import Operation, Policy, Vote
from opsconsole.states import State
from opsconsole.transitions import move
from tests.opsconsole.audit.test_verification import codes
from tests.support.people import Cast
from tests.support.rows import DIGEST, operation_of, sql, vote
from tests.support.tampering import guards_off


@pytest.fixture
def restore(cast: Cast) -> Operation:
    """An operation that waits for votes and has one, told in events as the console tells them."""
    audit.console_started("test")
    operation = operation_of(cast.ada, votes_needed=2)
    audit.record("op.planned", operation=operation, data={"digest": DIGEST})
    move(operation, State.PENDING_APPROVAL)
    voted(operation, cast.grace)
    return operation


def voted(operation: Operation, account: Any) -> None:
    made = vote(operation, account)
    data = {"decision": made.decision, "digest": made.digest, "person": made.person_id}
    audit.record("op.voted", operation=operation, data=data)


def test_rows_and_events_that_agree_are_sound(restore: Operation) -> None:
    report = audit.verify()
    assert (report.findings, report.operations) == ([], 1)


def test_a_state_that_no_event_tells_is_found(restore: Operation) -> None:
    """Allowed by the guards, done past the console: the row moved and nobody said so."""
    sql("UPDATE opsconsole_operation SET state = 'cancelled' WHERE id = %s", restore.pk)
    report = audit.verify()
    assert report.exit_code == 1
    assert report.findings[0].why == "It is cancelled, and its last event says pending_approval."


def test_an_operation_that_came_from_nowhere_is_found(cast: Cast) -> None:
    operation_of(cast.mallory)
    assert [finding.why for finding in audit.verify().findings] == ["The history does not know where it comes from."]


def change_digest(operation: Operation, cast: Cast) -> None:
    Operation.objects.filter(pk=operation.pk).update(digest="sha256:" + "b" * 64)


def remove_operation(operation: Operation, cast: Cast) -> None:
    Vote.objects.all()._raw_delete("default")
    sql("DELETE FROM opsconsole_operation WHERE id = %s", operation.pk)


def turn_a_vote_round(operation: Operation, cast: Cast) -> None:
    Vote.objects.update(decision="veto")


def give_a_vote_to_another_person(operation: Operation, cast: Cast) -> None:
    Vote.objects.update(person=cast.linus.person)


def remove_a_vote(operation: Operation, cast: Cast) -> None:
    Vote.objects.all()._raw_delete("default")


def slip_a_vote_in(operation: Operation, cast: Cast) -> None:
    vote(operation, cast.linus)


def slip_a_vote_in_elsewhere(operation: Operation, cast: Cast) -> None:
    other = operation_of(cast.bob, votes_needed=1)
    audit.record("op.planned", operation=other, data={"digest": DIGEST})
    vote(other, cast.linus)


def loosen_the_default_policy(operation: Operation, cast: Cast) -> None:
    Policy.objects.filter(name="default").update(clauses=[])


def remove_a_policy(operation: Operation, cast: Cast) -> None:
    Policy.objects.all()._raw_delete("default")


def slip_a_policy_in(operation: Operation, cast: Cast) -> None:
    Policy.objects.create(name="loose", version=1, title="x", effective_at=now(), created_at=now())


TAMPERINGS: dict[Callable[[Operation, Cast], None], str] = {
    change_digest: "operation",
    remove_operation: "operation",
    turn_a_vote_round: "vote",
    give_a_vote_to_another_person: "vote",
    remove_a_vote: "vote",
    slip_a_vote_in: "vote",
    slip_a_vote_in_elsewhere: "vote",
    loosen_the_default_policy: "policy",
    remove_a_policy: "policy",
    slip_a_policy_in: "policy",
}


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_a_row_that_its_events_contradict_is_found(
    restore: Operation, cast: Cast, tamper: Callable[[Operation, Cast], None]
) -> None:
    with guards_off():
        tamper(restore, cast)
    report = audit.verify()
    assert report.exit_code == 1
    assert TAMPERINGS[tamper] in codes(report)


def test_a_policy_that_was_changed_as_it_should_be_is_sound(cast: Cast) -> None:
    audit.console_started("test")
    from opsconsole.operations import request_change

    wanted = {"name": "production", "title": "Production", "match": {"environments": ["production"]},
              "clauses": [{"role": "approvers", "count": 2}]}  # fmt: skip
    with audit.acting_as(audit.actor_for(cast.admin)):
        done = request_change("policy.set", wanted, account=cast.admin, reason="it is wanted")
    assert done.state == State.SUCCEEDED
    assert Policy.objects.filter(name="production", created_at__gt=now() - timedelta(minutes=1)).exists()
    assert audit.verify().findings == []
