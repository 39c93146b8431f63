"""Which checks and rules a check asks, and what is said where a name is none of them."""

from __future__ import annotations

import pytest

from integrity.checks.base import BUSINESS, Severity
from integrity.rules.base import Spec
from integrity.scanning.selecting import FULL, select
from opsconsole.exceptions import Usage


def test_a_name_that_is_none_is_answered_with_those_that_are_meant() -> None:
    rules = [
        Spec(name=name, kind="row", spec={}, severity=Severity.WARNING, category=BUSINESS)
        for name in ("negative-balances", *(f"rule-{number}" for number in range(30)))
    ]
    with pytest.raises(Usage) as refused:
        select("postgresql", rules, mode=FULL, rule="negative-balance")
    assert refused.value.next_step.startswith("Do you mean negative-balances? Its rules are negative-balances, rule-0,")
    assert "and 11 more." in refused.value.next_step
    with pytest.raises(Usage, match="orphan") as refused:
        select("postgresql", [], mode=FULL, rule="orphan")
    assert refused.value.next_step.startswith("Do you mean orphans")
    assert "It has no rules." in refused.value.next_step
