"""Answering questions about rows with as few passes over the data as possible.

All conditions on a table that need nothing but its rows are counted, with the rows themselves, in one statement; those
with joins each in one of their own, of which the database makes hash joins. Rows are shown only of what was counted.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from integrity.checks.base import Answer, Found, Moment, Outcome, Question, Sample, Severity
from integrity.scanning import parts
from integrity.scanning.counting import Tally, count_alone, count_together, is_alone, why_not
from integrity.scanning.failing import failed
from integrity.scanning.parts import Part
from integrity.scanning.sessions import Progress, each
from integrity.scanning.showing import query, sample
from opsconsole.engines.inquiry import AskFailed

SAMPLED = "sampled_tables"  # under which it is kept that a sample is no proof


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long one question may take, how many sessions look at once, and (with `percent`) how much of huge tables."""

    seconds: float = 300.0
    sessions: int = 2
    percent: float = 0.0


@dataclass(kw_only=True)
class _Looked:
    """What was seen of one table: its part, its rows (exact in a whole one), and of each question by number."""

    part: Part
    rows: Tally | None = None
    places: int = 0
    by_question: dict[int, Tally | AskFailed] = field(default_factory=dict)
    samples: dict[int, Sample | None] = field(default_factory=dict)
    whole: set[int] = field(default_factory=set)  # questions that were asked of all rows, though others were not


def answer(
    moment: Moment, questions: Sequence[Question], budget: Budget, progress: Progress
) -> tuple[list[Outcome], dict[str, int]]:
    """What every question tells, in their order, and the exact rows by table."""
    by_table: defaultdict[str, dict[int, Question]] = defaultdict(dict)
    for number, question in enumerate(questions):
        by_table[question.condition.table][number] = question
    biggest_first = sorted(by_table, key=lambda table: -moment.before.get(table, 0))
    seed = random.randrange(1 << 31)  # noqa: S311 - each report looks at other places

    def work(own: Moment, table: str) -> _Looked:
        return _look(own, table, by_table[table], budget, seed)

    looked = each(moment, biggest_first, work, budget.sessions, progress)
    outcomes = [
        _told(moment, question, number, looked[question.condition.table]) for number, question in enumerate(questions)
    ]
    outcomes += [_of_sample(table, each) for table, each in looked.items() if each.part.place and each.rows]
    rows = {table: _rows(each) for table, each in looked.items()}
    return outcomes, {table: count for table, count in rows.items() if count is not None}


def _look(moment: Moment, table: str, questions: Mapping[int, Question], budget: Budget, seed: int) -> _Looked:
    """One table: a pass for all that it can answer, the others one by one, then rows of what was found."""
    seconds = budget.seconds
    try:
        looked = _Looked(part=parts.part_of(moment, table, budget.percent, seed, seconds))
    except AskFailed as error:
        return _Looked(part=parts.whole(moment, table), by_question=dict.fromkeys(questions, error))
    asked = dict(questions)
    for number, question in questions.items():
        if why := why_not(question.condition, moment.vendor):
            looked.by_question[number] = AskFailed(why)
            del asked[number]
    alone = {number: each for number, each in asked.items() if is_alone(each.condition, moment.vendor)}
    together = {number: each for number, each in asked.items() if number not in alone}
    counts = count_together(moment, looked.part, together, seconds)
    looked.rows, looked.places = counts.rows, counts.places
    looked.by_question |= counts.by_question
    indexes = _indexes(moment, table) if any(each.condition.by for each in alone.values()) else set()
    for number, question in alone.items():
        by = question.condition.by
        if by_index := any(index[: len(by)] == by for index in indexes if by):
            looked.whole.add(number)
        looked.by_question[number] = count_alone(moment, looked.part, question, seconds, by_index=by_index)
    for number, question in asked.items():
        tally = looked.by_question[number]
        if isinstance(tally, Tally) and tally.count:
            by_index = number in looked.whole
            looked.samples[number] = sample(moment, looked.part, question, seconds, by_index=by_index)
    return looked


def _indexes(moment: Moment, table: str) -> set[tuple[str, ...]]:
    """The columns of every index that holds all rows of a table (SQLite; elsewhere a hash join is as fast)."""
    if moment.vendor != "sqlite":
        return set()
    columns: defaultdict[str, list[str]] = defaultdict(list)
    for index, column in moment.inquiry.ask(
        "SELECT l.name, i.name FROM pragma_index_list(?) AS l, pragma_index_info(l.name) AS i WHERE NOT l.partial"
        " ORDER BY l.name, i.seqno",
        (table,),
    ):
        columns[index].append(column or "")
    return {tuple(each) for each in columns.values()}


def _told(moment: Moment, question: Question, number: int, looked: _Looked) -> Outcome:
    """What one question tells; of a sample, with its margin: that it holds nothing proves nothing."""
    tally = looked.by_question[number]
    if isinstance(tally, Tally) and looked.rows is None:
        tally = AskFailed("the rows of the table could not be counted")
    if isinstance(tally, AskFailed):
        return failed(question.check, question.title, question.category, question.severity, tally)
    assert looked.rows is not None
    is_whole = not looked.part.place or number in looked.whole
    of = _rows(looked)
    answered = Answer(
        count=tally.count,
        of=_estimated(looked.rows, looked.part).count if of is None else of,
        sample=looked.samples.get(number),
        query=query(moment, question.condition),
    )
    if is_whole:
        return question.told(answered)
    about = _estimated(tally, looked.part)
    margin = (
        f"estimated from {looked.rows.count:,} rows, {looked.part.share:.2%} of the table's places:"
        f" 95 times in 100 there are between {about.least:,} and {about.most:,}"
    )
    return replace(question.told(replace(answered, count=about.count, margin=margin)), margin=margin)


def _rows(looked: _Looked) -> int | None:
    """The exact rows of the table; None where only a sample was counted, or nothing."""
    if looked.part.place:
        return looked.part.of
    return looked.rows.count if looked.rows else None


def _estimated(tally: Tally, part: Part) -> parts.Estimate:
    return parts.estimate(tally.count, tally.squares, part.share)


def _of_sample(table: str, looked: _Looked) -> Found:
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
        category="Data Consistency",
        table=table,
        sentence=f"{table} was looked at in part: {looked.rows.count:,} of about {about:,} rows.",
        why=f"{silent} questions found nothing there, which is no proof: faults in up to {hidden:,} places (pages, or"
        f" ranges of rows) can hide from such a sample.",
        next_step="Look at the whole table from time to time (sample= empty).",
        count=looked.rows.count,
        of=about,
        margin=f"a sample of {looked.places:,} places",
    )
