"""Counting what the rules count that are marked as health: cheaply, each within a few seconds, no rows fetched."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from integrity.checks import moments
from integrity.checks.base import Answer, Found, Moment, Outcome, Question, Severity
from integrity.rules.base import Spec, Unfit, rule_kind
from integrity.scanning.counting import count_alone, why_not
from integrity.scanning.parts import whole
from opsconsole.engines.base import Engine
from opsconsole.engines.inquiry import AskFailed
from opsconsole.exceptions import OpsError

RULE_SECONDS = 5.0  # that one rule may take
ALL_SECONDS = 20.0  # that all of one database may take


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What one rule counted. `count` is None when it could not be asked, or is `off`, and `why` says why."""

    name: str  # of the health answer: nullEmailUsers
    rule: str
    severity: Severity
    sentence: str  # what must hold
    threshold: int = 0
    count: int | None = None
    why: str = ""
    next_step: str = ""
    off: bool = False

    @property
    def breaks(self) -> bool:
        return self.count is not None and self.count > self.threshold

    @property
    def spoils(self) -> bool:
        """Whether the database is unhealthy because of it: what nobody could look at may be wrong.

        A rule that people switched off spoils nothing, and says so.
        """
        if self.off:
            return False
        return self.count is None or (self.breaks and self.severity is Severity.CRITICAL)

    @property
    def issue(self) -> str:
        """What is wrong, in words; empty when nothing is."""
        if self.off:
            return f"{self.name} is not counted: {self.why}"
        if self.count is None:
            return f"{self.name} could not be counted: {self.why}"
        return f"{self.name} counts {self.count}" if self.breaks else ""


def count_all(engine: Engine, name: str, rules: Sequence[Spec], *, before: Mapping[str, int]) -> list[Counted]:
    """One count a rule, in the order of the names. `before` are rows by table in the last whole report.

    Raises TargetProblem when the database cannot be asked anything at all.
    """
    ends = time.monotonic() + ALL_SECONDS
    if all(rule.off for rule in rules):
        return [_switched_off(rule) for rule in _ordered(rules)]
    with moments.opened(engine, name, seconds=RULE_SECONDS, before=before) as moment:
        return [_switched_off(rule) if rule.off else _counted(rule, moment, ends) for rule in _ordered(rules)]


def unasked(rules: Sequence[Spec], error: OpsError) -> tuple[Counted, ...]:
    """What is told of rules whose database could not be asked."""
    return tuple(
        _switched_off(rule) if rule.off else Counted(**_about(rule), why=error.why, next_step=error.next_step)
        for rule in _ordered(rules)
    )


def _ordered(rules: Sequence[Spec]) -> list[Spec]:
    return sorted(rules, key=lambda rule: (rule.health, rule.name))


def _switched_off(rule: Spec) -> Counted:
    why = f"the rule {rule.name} is switched off."
    return Counted(**_about(rule), off=True, why=why, next_step="Have it switched on to count it again.")


def _about(rule: Spec) -> dict[str, Any]:
    kind = rule_kind(rule.kind)
    return {
        "name": rule.health, "rule": rule.name, "severity": rule.severity, "threshold": rule.threshold,
        "sentence": kind.sentence(kind.filled(rule).spec) if kind else "",
    }  # fmt: skip


def _counted(rule: Spec, moment: Moment, ends: float) -> Counted:
    told = _about(rule)
    if time.monotonic() >= ends:
        why = f"the other rules took all of the {ALL_SECONDS:g} seconds."
        return Counted(**told, why=why, next_step="Mark fewer or cheaper rules as health.")
    try:
        return Counted(**told, count=_count(rule, moment))
    except AskFailed as error:
        why = f"it took longer than {RULE_SECONDS:g} seconds." if error.timeout else error.why
        return Counted(**told, why=why, next_step="Add an index that answers it, or count it in checks only.")
    except Unfit as error:
        return Counted(**told, why=error.why, next_step=error.next_step)
    except OpsError as error:
        return Counted(**told, why=error.why, next_step=error.next_step)


def _count(rule: Spec, moment: Moment) -> int:
    """Raises Unfit, AskFailed, and TargetProblem when the session is lost."""
    kind = rule_kind(rule.kind)
    if kind is None:
        raise Unfit(f"This console knows no rules of kind {rule.kind}.", "Replace the rule by one that it knows.")
    strict = replace(rule, threshold=0)  # what may be is a number all the same
    counts = [_rows(moment, question) for question in kind.questions(strict, moment)]
    counts += [_told(outcome) for outcome in kind.look(strict, moment)]
    if not counts:
        raise Unfit("It asks nothing of this database.", "Look at its table and columns.")
    return sum(counts)


def _told(outcome: Outcome) -> int:
    """Raises Unfit for one that says that something could not be looked at."""
    if isinstance(outcome, Found) and outcome.failed:
        raise Unfit(outcome.sentence, outcome.next_step)
    return outcome.count if isinstance(outcome, Found) else 0


def _rows(moment: Moment, question: Question) -> int:
    """Raises Unfit and AskFailed."""
    if why := why_not(question.condition, moment.vendor):
        raise Unfit(f"It cannot be asked: {why}.")
    part = whole(moment, question.condition.table)
    asked = replace(question, condition=replace(question.condition, where="1 = 1")) if question.of_all else question
    tally = count_alone(moment, part, asked, RULE_SECONDS, by_index=False)
    if isinstance(tally, AskFailed):
        raise tally
    return _told(question.told(Answer(count=0, of=tally.count))) if question.of_all else tally.count
