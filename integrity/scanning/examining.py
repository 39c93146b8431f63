"""Examining one moment of a database: every check and rule of a selection, and everything that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from integrity.checks.base import Check, Found, Moment, Outcome, Progress, Question, Severity, unheard
from integrity.rules.base import Spec, Unfit, rule_kind
from integrity.scanning.answering import Budget, answer
from integrity.scanning.failing import failed
from integrity.scanning.selecting import Selection
from opsconsole.engines.inquiry import AskFailed


@dataclass(frozen=True, kw_only=True)
class Examination:
    """Everything that was told, and the rows by table that were counted on the way."""

    outcomes: tuple[Outcome, ...]
    rows: dict[str, int]


def examine(
    moment: Moment,
    selection: Selection,
    budget: Budget,
    progress: Progress = unheard,
    *,
    only: Callable[[str, str], bool] = lambda check, subject: True,
) -> Examination:
    """Look at everything, or at what `only` says of a check's name and a subject.

    What cannot be looked at is a finding of its own; only a lost session raises.
    """
    outcomes: list[Outcome] = []
    questions: list[Question] = []
    for check in selection.checks:
        progress(0, 0, check.step(moment))
        asked, told = _guarded(check.name, check.label, check.category, check.severity, _all_of(check, moment))
        questions += asked
        outcomes += told
    for rule in selection.rules:
        asked, told = _guarded(rule.check, rule.name, rule.category, rule.severity, _all_by(rule, moment))
        questions += asked
        outcomes += told
    wanted = [each for each in questions if only(each.check, each.subject)]
    told_of, rows = answer(moment, wanted, budget, progress)
    kept = [each for each in outcomes if only(each.check, each.subject) or (isinstance(each, Found) and each.failed)]
    return Examination(outcomes=(*kept, *told_of), rows=rows)


def _all_of(check: Check, moment: Moment) -> Callable[[], Iterator[Question | Outcome]]:
    def everything() -> Iterator[Question | Outcome]:
        yield from check.questions(moment)
        yield from check.look(moment)

    return everything


def _all_by(rule: Spec, moment: Moment) -> Callable[[], Iterator[Question | Outcome]]:
    def everything() -> Iterator[Question | Outcome]:
        kind = rule_kind(rule.kind)
        if kind is None:
            raise Unfit(f"This console knows no rules of kind {rule.kind}.", "Replace the rule by one that it knows.")
        yield from kind.questions(rule, moment)
        yield from kind.look(rule, moment)

    return everything


def _guarded(
    name: str, title: str, category: str, severity: Severity, everything: Callable[[], Iterable[Question | Outcome]]
) -> tuple[list[Question], list[Outcome]]:
    """What one check or rule asks and tells; why it could not, as a finding."""
    questions: list[Question] = []
    told: list[Outcome] = []
    try:
        for each in everything():
            if isinstance(each, Question):
                questions.append(each)
            else:
                told.append(each)
    except (AskFailed, Unfit) as error:
        told.append(failed(name, title, category, severity, error))
    return questions, told
