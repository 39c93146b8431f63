"""An operation of which nobody can tell how it ended is settled by people, on protected databases by two."""

from __future__ import annotations

from typing import Any

import pytest

from opsconsole import operations
from opsconsole.exceptions import Refused
from opsconsole.fences import next_fence
from opsconsole.models import AuditEvent, Operation
from opsconsole.states import State
from opsconsole.transitions import move
from tests.opsconsole.approvals.scenes import approve, ask

LOOKED = "The orders of yesterday are there."


def lose(operation: Operation) -> Operation:
    """Its worker was lost and its witness cannot be read."""
    for state, more in ((State.RUNNING, {"fence": next_fence()}), (State.RECOVERING, {}), (State.INDETERMINATE, {})):
        operation = move(operation, state, **more)
    return operation


def test_on_a_protected_database_somebody_else_confirms_how_it_ended(team: Any) -> None:
    lost = lose(approve(team.grace, ask(team.ada, team.savings)))
    asked = operations.settle(lost, account=team.ada, outcome="succeeded", reason=LOOKED)
    assert (asked.kind, asked.state) == ("change", "pending_approval")
    with pytest.raises(Refused, match="own request"):
        approve(team.ada, asked)
    assert approve(team.linus, asked).state == "succeeded"
    lost.refresh_from_db()
    assert (lost.state, lost.state_reason) == ("succeeded", LOOKED)
    assert AuditEvent.objects.filter(operation_id=lost.pk, type="op.resolved").exists()


def test_on_an_unprotected_one_its_requester_settles_alone(team: Any) -> None:
    lost = lose(ask(team.ada, team.sandbox))
    with pytest.raises(Refused, match="requester"):
        operations.settle(lost, account=team.bob, outcome="failed", reason=LOOKED)
    assert operations.settle(lost, account=team.ada, outcome="failed", reason=LOOKED).state == "failed"


def test_a_kind_that_nobody_approves_is_still_settled_by_two_where_it_is_protected(team: Any) -> None:
    lost = lose(ask(team.ada, team.savings, "copy"))
    assert operations.settle(lost, account=team.ada, outcome="failed", reason=LOOKED).kind == "change"


def test_it_is_settled_once(team: Any) -> None:
    lost = lose(approve(team.grace, ask(team.ada, team.savings)))
    first, second = (
        operations.settle(lost, account=team.ada, outcome=outcome, reason=LOOKED) for outcome in ("succeeded", "failed")
    )
    approve(team.linus, first)
    assert approve(team.linus, second).state == "stale"
    assert Operation.objects.get(pk=lost.pk).state == "succeeded"
