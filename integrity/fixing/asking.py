"""Asking again for findings that are known by check and subject, by the same questions that found them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from integrity.checks.base import Found, Held, Moment, Outcome, Question
from integrity.checks.known import check_named
from integrity.rules.base import Spec, Unfit, rule_kind
from integrity.scanning.answering import Budget, answer
from integrity.scanning.failing import failed
from opsconsole.engines.inquiry import AskFailed

RULE = "rule:"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A finding by its check and subject; without a subject, everything that the check or rule tells."""

    check: str
    subject: str = ""

    def fits(self, subject: str) -> bool:
        return not self.subject or self.subject == subject


def ask(moment: Moment, wanted: Sequence[Wanted], rules: Sequence[Spec], budget: Budget) -> list[Outcome]:
    """What is found of them now, in the order of `wanted`; what could not be looked at is found as such."""
    outcomes: list[Outcome] = []
    for check in dict.fromkeys(each.check for each in wanted):
        these = [each for each in wanted if each.check == check]
        outcomes += _of_check(moment, check, these, rules, budget)
    return outcomes


def told_of(outcomes: Iterable[Outcome], wanted: Wanted) -> list[Outcome]:
    """Those of one that is wanted."""
    return [each for each in outcomes if each.check == wanted.check and wanted.fits(each.subject)]


def number(outcome: Outcome | None) -> int | None:
    """How many rows or objects a finding has, 0 when it held, None when nobody could look."""
    if isinstance(outcome, Found):
        return None if outcome.failed else outcome.count
    return 0 if isinstance(outcome, Held) else None


def _of_check(
    moment: Moment, check: str, wanted: Sequence[Wanted], rules: Sequence[Spec], budget: Budget
) -> list[Outcome]:
    rule = next((spec for spec in rules if spec.check == check), None)
    known = None if check.startswith(RULE) else check_named(check)
    questions: list[Question] = []
    outcomes: list[Outcome] = []
    try:
        if rule is not None:
            everything = _by_rule(moment, rule)
        elif known is not None:
            everything = (part for way in (known.questions, known.look) for part in way(moment))
        else:
            everything = iter(())
        for each in everything:
            if not any(one.fits(each.subject) for one in wanted):
                continue
            if isinstance(each, Question):
                questions.append(each)
            else:
                outcomes.append(each)
    except (AskFailed, Unfit) as error:
        of = rule or known
        assert of is not None  # nothing else was asked
        outcomes.append(failed(check, check, of.category, of.severity, error))
    told, _ = answer(moment, questions, budget, _nobody)
    return [*outcomes, *told]


def _by_rule(moment: Moment, rule: Spec) -> Iterator[Question | Outcome]:
    kind = rule_kind(rule.kind)
    if kind is None:
        raise Unfit(f"This console knows no rules of kind {rule.kind}.", "Replace the rule by one that it knows.")
    yield from kind.questions(rule, moment)
    yield from kind.look(rule, moment)


_nobody: Callable[[int, int, str], None] = lambda done, of, what: None  # noqa: E731
