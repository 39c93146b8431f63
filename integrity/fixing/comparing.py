"""The findings of a fix before and after: the same checks and rules, asked again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from integrity.checks import moments
from integrity.fixing import asking
from integrity.fixing.asking import Wanted
from integrity.rules import in_force
from integrity.scanning.answering import Budget
from opsconsole.engines.base import Engine
from opsconsole.models import Database
from opsconsole.plans import Plan

SECONDS = 300.0


def numbers(engine: Engine, database: Database, plan: Plan) -> list[int | None]:
    """How many rows each finding of a plan has now; None where nobody could look."""
    wanted = [Wanted(check=each["check"], subject=each["subject"]) for each in plan.parameters["findings"]]
    with moments.opened(engine, database.name, seconds=SECONDS) as moment:
        told = asking.ask(moment, wanted, in_force.rules_of(database), Budget(seconds=SECONDS))
    return [asking.number(next(iter(asking.told_of(told, want)), None)) for want in wanted]


def compared(plan: Plan, before: Sequence[int | None], after: Sequence[int | None]) -> list[dict[str, Any]]:
    """`check`, `subject`, `before` and `after` of each finding, as a result holds them."""
    named = plan.parameters["findings"]
    return [
        {"check": each["check"], "subject": each["subject"], "before": was, "after": now}
        for each, was, now in zip(named, before, after, strict=True)
    ]
