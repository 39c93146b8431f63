"""Asking again for findings that are known by check and subject, by the same questions that found them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from integrity.checks.base import RULE, Found, Held, Moment, Outcome
from integrity.checks.known import check_named
from integrity.rules.base import Spec
from integrity.scanning.answering import Budget
from integrity.scanning.examining import examine
from integrity.scanning.selecting import Selection


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A finding by its check and subject; without a subject, everything that the check or rule tells."""

    check: str
    subject: str = ""

    def fits(self, subject: str) -> bool:
        return not self.subject or self.subject == subject


def ask(moment: Moment, wanted: Sequence[Wanted], rules: Sequence[Spec], budget: Budget) -> list[Outcome]:
    """What is found of them now; what could not be looked at is found as such."""
    names = dict.fromkeys(each.check for each in wanted)
    checks = (check_named(name) for name in names if not name.startswith(RULE))
    selection = Selection(
        checks=tuple(check for check in checks if check is not None),
        rules=tuple(rule for rule in rules if rule.check in names),
    )

    def only(check: str, subject: str) -> bool:
        return any(each.check == check and each.fits(subject) for each in wanted)

    return list(examine(moment, selection, budget, only=only).outcomes)


def told_of(outcomes: Iterable[Outcome], wanted: Wanted) -> list[Outcome]:
    """Those of one that is wanted; where nothing tells of it, why its check could not be asked."""
    of_check = [each for each in outcomes if each.check == wanted.check]
    fitting = [each for each in of_check if wanted.fits(each.subject)]
    return fitting or [each for each in of_check if isinstance(each, Found) and each.failed]


def number(outcome: Outcome | None) -> int | None:
    """How many rows or objects a finding has, 0 when it held, None when nobody could look."""
    if isinstance(outcome, Found):
        return None if outcome.failed else outcome.count
    return 0 if isinstance(outcome, Held) else None
