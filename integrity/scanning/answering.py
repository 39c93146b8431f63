"""Answering questions about rows with as few passes over the data as possible.

All conditions on a table that need nothing but its rows are counted, with the rows themselves, in one statement; those
with joins each in one of their own, of which the database makes hash joins. Rows are shown only of what was counted.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from integrity.checks.base import CONSISTENCY, Answer, Found, Moment, Outcome, Progress, Question, Severity
from integrity.scanning import parts
from integrity.scanning.counting import Tally
from integrity.scanning.failing import failed
from integrity.scanning.looking import Looked, look
from integrity.scanning.parts import Part
from integrity.scanning.sessions import each
from integrity.scanning.showing import query
from opsconsole.engines.inquiry import AskFailed

SAMPLED = "sampled_tables"  # under which it is kept that a sample is no proof


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long one question may take, how many sessions look at once, and (with `percent`) how much of huge tables."""

    seconds: float = 300.0
    sessions: int = 2
    percent: float = 0.0


def answer(
    moment: Moment, questions: Sequence[Question], budget: Budget, progress: Progress
) -> tuple[list[Outcome], dict[str, int]]:
    """What every question tells, in their order, and the exact rows by table."""
    by_table: defaultdict[str, dict[int, Question]] = defaultdict(dict)
    for number, question in enumerate(questions):
        by_table[question.condition.table][number] = question
    biggest_first = sorted(by_table, key=lambda table: -moment.before.get(table, 0))
    seed = random.randrange(1 << 31)  # noqa: S311 - each report looks at other places

    def work(own: Moment, table: str) -> Looked:
        return look(own, table, by_table[table], seconds=budget.seconds, percent=budget.percent, seed=seed)

    looked = each(moment, biggest_first, work, budget.sessions, progress)
    outcomes = [
        _told(moment, question, number, looked[question.condition.table]) for number, question in enumerate(questions)
    ]
    outcomes += [_of_sample(table, each) for table, each in looked.items() if each.part.place and each.rows]
    return outcomes, {table: each.of for table, each in looked.items() if each.of is not None}


def _told(moment: Moment, question: Question, number: int, looked: Looked) -> Outcome:
    """What one question tells; of a sample, with its margin: that it holds nothing proves nothing."""
    tally = looked.by_question[number]
    if isinstance(tally, Tally) and looked.rows is None:
        tally = AskFailed("the rows of the table could not be counted")
    if isinstance(tally, AskFailed):
        return failed(question.check, question.title, question.category, question.severity, tally)
    assert looked.rows is not None
    is_whole = not looked.part.place or number in looked.whole
    answered = Answer(
        count=tally.count,
        of=_estimated(looked.rows, looked.part).count if looked.of is None else looked.of,
        sample=looked.samples.get(number),
        query=query(moment, question.condition),
    )
    if is_whole:
        return question.told(answered)
    about = _estimated(tally, looked.part)
    seen = f"{looked.rows.count:,} rows, {looked.part.share:.2%} of the table's places"
    bounds = f": 95 times in 100 there are between {about.least:,} and {about.most:,}"
    margin = f"estimated from {seen}{bounds}" if tally.count else f"none among {seen}"
    return replace(question.told(replace(answered, count=about.count, margin=margin)), margin=margin)


def _estimated(tally: Tally, part: Part) -> parts.Estimate:
    return parts.estimate(tally.count, tally.squares, part.share)


def _of_sample(table: str, looked: Looked) -> Found:
    """That a table was looked at in part only, and what that cannot see."""
    assert looked.rows is not None
    about = looked.part.of or _estimated(looked.rows, looked.part).count
    silent = sum(
        isinstance(tally, Tally) and not tally.count
        for number, tally in looked.by_question.items()
        if number not in looked.whole
    )
    hidden = round(3 / looked.part.share)  # the rule of three: what is missed 5 times in 100
    return Found(
        check=SAMPLED,
        subject=table,
        severity=Severity.INFO,
        category=CONSISTENCY,
        table=table,
        sentence=f"{table} was looked at in part: {looked.rows.count:,} of about {about:,} rows.",
        why=f"{silent} questions found nothing there, which is no proof: faults in up to {hidden:,} places (pages, or"
        f" ranges of rows) can hide from such a sample.",
        next_step="Look at the whole table from time to time (sample= empty).",
        count=looked.rows.count,
        of=about,
        margin=f"a sample of {looked.places:,} places",
    )
