"""A change asked for on a shell, where nobody is known: whoever asked may be whoever votes, so two people agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from opsconsole import approvals, operations
from opsconsole.clock import now
from opsconsole.exceptions import Refused
from opsconsole.models import Account, Operation
from opsconsole.states import State
from tests.opsconsole.approvals.scenes import approve
from tests.support.people import Cast

EVE = {"login": "eve", "email": "eve@example.test", "roles": ["approvers"], "password": "correct horse 9 battery"}


def on_a_shell(action: str = "person.add", given: Mapping[str, Any] = EVE) -> Operation:
    return operations.request_change(action, given, account=None, reason="it is wanted")


def test_one_person_with_a_shell_and_a_browser_is_not_two(team: Any) -> None:
    asked = approve(team.grace, on_a_shell())
    assert asked.state == State.PENDING_APPROVAL
    assert not Account.objects.filter(username="eve").exists()
    with pytest.raises(Refused, match="already"):
        approve(team.grace, asked)


def test_two_people_agree_and_it_is_done(team: Any) -> None:
    approve(team.grace, on_a_shell())
    assert approve(team.linus, Operation.objects.latest("id")).state == State.SUCCEEDED
    assert Account.objects.filter(username="eve").exists()


def test_it_says_why_it_needs_two(team: Any) -> None:
    seats = approvals.tally(on_a_shell(), at=now())
    assert [seat.clause.words for seat in seats.seats] == ["administrators or approvers of default"] * 2
    assert seats.requirement.sentences[-1] == (
        "It was asked for on a shell, where nobody is known, so 2 people must agree; "
        "with OPSCONSOLE_TOKEN one is enough"
    )


def test_in_somebody_s_name_one_other_person_is_enough(team: Any) -> None:
    asked = operations.request_change("person.add", EVE, account=team.admin, reason="it is wanted")
    assert asked.votes_needed == 1
    assert approve(team.grace, asked).state == State.SUCCEEDED


def test_a_policy_s_people_and_one_more_agree(team: Any, need: Any, give: Any) -> None:
    give(team.bob, "approvers")
    need("scrub", {"approvers": 2})
    assert on_a_shell("policy.disable", {"name": "wanted"}).votes_needed == 3


def test_a_policy_that_is_tightened_meanwhile_leaves_the_further_seat(team: Any, need: Any) -> None:
    asked = on_a_shell()
    need("change", {"approvers": 1, "administrators": 1})
    approve(team.grace, asked)
    approve(team.admin, asked)
    standing = approvals.tally(asked, at=now())
    assert not standing.satisfied and standing.requirement.votes_needed == len(standing.seats) > 2
    assert len([text for text in standing.requirement.sentences if "OPSCONSOLE_TOKEN" in text]) == 1


def test_it_is_refused_where_too_few_could_agree(team: Any) -> None:
    Account.objects.filter(username__in=["grace", "linus"]).update(is_active=False)
    with pytest.raises(Refused, match="2 people must agree, and there is 1 who could") as refusal:
        on_a_shell()
    assert "OPSCONSOLE_TOKEN" in refusal.value.next_step
    assert not Operation.objects.filter(kind="change").exists()


def test_while_the_console_is_set_up_it_is_done_at_once(founders: Cast) -> None:
    assert on_a_shell().state == State.SUCCEEDED
