"""Looking at one table: a pass for all questions that it can answer, the others one by one, then rows of the found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from integrity.checks.base import Moment, Question, Sample
from integrity.scanning import parts
from integrity.scanning.counting import Tally, count_alone, count_together, is_alone, why_not
from integrity.scanning.parts import Part
from integrity.scanning.showing import sample, samples
from opsconsole.engines.inquiry import AskFailed


@dataclass(kw_only=True)
class Looked:
    """What was seen of one table: its part, the rows of that, and of each question by number."""

    part: Part = field(default_factory=lambda: Part(source=""))
    rows: Tally | None = None  # None when they could not be counted
    places: int = 0
    by_question: dict[int, Tally | AskFailed] = field(default_factory=dict)
    samples: dict[int, Sample | None] = field(default_factory=dict)
    whole: set[int] = field(default_factory=set)  # questions that were asked of all rows, though others were not

    @property
    def of(self) -> int | None:
        """The exact rows of the table; None where only a sample was counted, or nothing."""
        if self.part.place:
            return self.part.of
        return self.rows.count if self.rows else None


def look(
    moment: Moment, table: str, questions: Mapping[int, Question], *, seconds: float, percent: float, seed: int
) -> Looked:
    """What is there to be told of each question. What fails is in it; only a lost session raises."""
    looked = Looked()
    try:
        if table not in moment.structure.relations:
            raise AskFailed(f"there is no table {table}")
        looked.part = parts.part_of(moment, table, percent, seed, seconds)
    except AskFailed as error:
        looked.by_question = dict.fromkeys(questions, error)
        return looked
    alone: dict[int, Question] = {}
    together: dict[int, Question] = {}
    for number, question in questions.items():
        if why := why_not(question.condition, moment.vendor):
            looked.by_question[number] = AskFailed(why)
        else:
            (alone if is_alone(question.condition, moment.vendor) else together)[number] = question
    _look_together(moment, looked, together, seconds)
    _look_alone(moment, looked, alone, seconds)
    return looked


def _look_together(moment: Moment, looked: Looked, questions: Mapping[int, Question], seconds: float) -> None:
    counts = count_together(moment, looked.part, questions, seconds)
    looked.rows, looked.places = counts.rows, counts.places
    looked.by_question |= counts.by_question
    met = {
        number: (questions[number], tally.count)
        for number, tally in counts.by_question.items()
        if isinstance(tally, Tally) and tally.count
    }
    looked.samples |= samples(moment, looked.part, met, seconds)


def _look_alone(moment: Moment, looked: Looked, questions: Mapping[int, Question], seconds: float) -> None:
    tables = {question.condition.table for question in questions.values() if question.condition.by}
    indexes = {index for table in tables for index in _indexes(moment, table)}
    for number, question in questions.items():
        by = question.condition.by
        if by_index := any(index[: len(by)] == by for index in indexes if by):
            looked.whole.add(number)
        tally = count_alone(moment, looked.part, question, seconds, by_index=by_index)
        looked.by_question[number] = tally
        if isinstance(tally, Tally) and tally.count:
            found = sample(moment, looked.part, question, tally.count, seconds, by_index=by_index)
            looked.samples[number] = found


def _indexes(moment: Moment, table: str) -> set[tuple[str, ...]]:
    """The columns of every index that holds all rows of a table (SQLite; elsewhere a hash join is as fast)."""
    if moment.vendor != "sqlite":
        return set()
    columns: defaultdict[str, list[str]] = defaultdict(list)
    try:
        for index, column in moment.inquiry.ask(
            "SELECT l.name, i.name FROM pragma_index_list(?) AS l, pragma_index_info(l.name) AS i WHERE NOT l.partial"
            " ORDER BY l.name, i.seqno",
            (table,),
        ):
            columns[index].append(column or "")
    except AskFailed:  # without an index it takes longer, and that is all
        return set()
    return {tuple(each) for each in columns.values()}
