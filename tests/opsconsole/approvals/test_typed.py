"""Whoever approves what costs rows types the database's name and the number that stands in the plan."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsconsole import operations
from opsconsole.clock import now
from opsconsole.exceptions import Refused
from opsconsole.models import AuditEvent, Vote
from opsconsole.operations import Typed
from tests.opsconsole.approvals.scenes import approve, ask


@pytest.fixture
def operation(team: Any) -> Any:
    """Waits for somebody who has read that it costs 1204 orders."""
    return ask(team.ada, team.savings, "costly")


@pytest.mark.parametrize(
    ("typed", "missing"),
    [
        (Typed(), "the name of the database is missing"),
        (Typed(number="1204"), "the name of the database is missing"),
        (Typed(name="sandbox", number="1204"), "the name of the database is missing"),
        (Typed(name="savings"), "the number of rows that would be lost is missing"),
        (Typed(name="savings", number="1205"), "the number of rows that would be lost is missing"),
        (Typed(name="savings", number="0"), "the number of rows that would be lost is missing"),
    ],
)
def test_without_both_there_is_no_vote(team: Any, operation: Any, typed: Typed, missing: str) -> None:
    with pytest.raises(Refused, match=missing) as refused:
        approve(team.grace, operation, typed=typed)
    assert refused.value.code == "confirmation_needed"
    assert "stands in the sentence on top of the plan" in refused.value.next_step
    assert "1204" not in refused.value.next_step  # it is there to be read
    assert not Vote.objects.exists()


@pytest.mark.parametrize("number", ["1204", "1,204", "1 204", "1\N{NARROW NO-BREAK SPACE}204"])
def test_with_both_it_is_approved_and_the_history_says_so(team: Any, operation: Any, number: str) -> None:
    assert approve(team.grace, operation, typed=Typed(name="savings", number=number)).state == "queued"
    told = json.loads(bytes(AuditEvent.objects.get(type="op.voted").payload))["data"]
    assert told["typed"] == {"database": "savings", "number": 1204}
    assert "left_out" not in told


def test_a_rejection_needs_nothing_typed(team: Any, operation: Any) -> None:
    done = operations.reject(operation, account=team.grace, digest=operation.digest, reason="no", auth_at=now())
    assert done.state == "rejected"


def test_a_plan_that_costs_nothing_asks_for_nothing(team: Any) -> None:
    assert approve(team.grace, ask(team.ada, team.savings), typed=Typed()).state == "queued"
