"""Counting the rows that meet conditions: one statement for all that a pass can answer, one each for the others.

A pass that fails is taken apart until it is known which of its questions it fails for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from integrity.checks.base import Condition, Moment, Question, named, quoted
from integrity.scanning.parts import Part
from opsconsole.engines.inquiry import AskFailed
from opsconsole.review.lexing import Dialect, Kind, tokens

MOST_IN_A_PASS = 200  # conditions


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Rows of a part that meet a condition; `squares` is the sum of the squared counts of its places (see `Part`)."""

    count: int
    squares: int = 0


@dataclass(kw_only=True)
class Counts:
    """What is known of one part of a table: its rows, and what was counted of each question, by number, or why not."""

    rows: Tally | None = None
    places: int = 0
    by_question: dict[int, Tally | AskFailed] = field(default_factory=dict)


def why_not(condition: Condition, vendor: str) -> str:
    """Why words of people could change what others are answered: they are more than one expression. Else empty."""
    if not condition.people:
        return ""
    for text in (condition.where, condition.joins):
        depth = 0
        for token in tokens(text, Dialect(vendor)):
            depth += (token.text == "(") - (token.text == ")") if token.kind is Kind.SIGN else 0
            if token.kind is Kind.BROKEN:
                return f"it holds {token.text}"
            if token.kind is Kind.META or (token.kind is Kind.SIGN and token.text == ";") or depth < 0:
                return "it is more than one expression"
        if depth:
            return "a parenthesis is not closed"
    return ""


def is_alone(condition: Condition, vendor: str) -> bool:
    """Whether a condition is better asked by itself: a hash join can be made of a WHERE, and not of a FILTER."""
    words = (token.word for token in tokens(condition.where, Dialect(vendor)) if token.kind is Kind.WORD)
    return bool(condition.joins) or "SELECT" in words


def count_together(moment: Moment, part: Part, questions: Mapping[int, Question], seconds: float) -> Counts:
    """The rows of a part, and how many of them meet each condition: one pass, and more only when it fails."""
    counts = Counts()
    numbers = list(questions)
    for start in range(0, max(len(numbers), 1), MOST_IN_A_PASS):
        some = {number: questions[number] for number in numbers[start : start + MOST_IN_A_PASS]}
        _count(moment, part, some, seconds, counts)
    if counts.rows is None and _are_countable(counts):
        with suppress(AskFailed):
            _pass(moment, part, {}, seconds, counts)
    return counts


def count_alone(moment: Moment, part: Part, question: Question, seconds: float, *, by_index: bool) -> Tally | AskFailed:
    """How many rows of a part meet one condition. `by_index` asks distinct values of its `by`, of the whole table."""
    condition = question.condition
    if by_index:
        statement = f"SELECT {' + '.join(_by_index(moment, condition))} AS c0, 0 AS s0"
    else:
        statement = f"SELECT count(*) AS c0 FROM {part.source} {condition.joins} WHERE (\n{condition.where}\n)"
        if part.place:
            sums = "coalesce(sum(c0), 0) AS c0, coalesce(sum(c0 * c0), 0) AS s0"
            statement = f"SELECT {sums} FROM ({statement} GROUP BY {part.place}) AS places"
        else:
            statement = f"SELECT c0, 0 AS s0 FROM ({statement}) AS counted"
    try:
        count, squares = asked(moment, statement, ("c0", "s0"), condition.people, seconds)[0]
    except AskFailed as error:
        return error
    return Tally(count=int(count), squares=int(squares))


def asked(moment: Moment, statement: str, names: Sequence[str], people: bool, seconds: float) -> list[tuple[Any, ...]]:
    """The rows of a statement whose columns are `names`."""
    if people:
        rows = moment.inquiry.ask_people(statement, seconds=seconds)
        return [tuple(row[name] for name in names) for row in rows]
    return moment.inquiry.ask(statement, seconds=seconds)


def missing(moment: Moment, condition: Condition) -> str:
    """FROM and WHERE for the rows whose values of `by` are among those, looked at once each, that meet a condition."""
    table, listed = named(moment.structure, condition.table), ", ".join(f"t.{quoted(name)}" for name in condition.by)
    values = f"(SELECT DISTINCT {', '.join(map(quoted, condition.by))} FROM {table}) AS t"
    met = f"SELECT {listed} FROM {values} {condition.joins} WHERE (\n{condition.where}\n)"
    return f"{table} AS t WHERE ({listed}) IN ({met})"


def _by_index(moment: Moment, condition: Condition) -> list[str]:
    """Two counts: of values that are there, and of those with a NULL, which are IN nothing."""
    nulls = " OR ".join(f"t.{quoted(name)} IS NULL" for name in condition.by)
    source = f"{named(moment.structure, condition.table)} AS t {condition.joins}"
    return [
        f"(SELECT count(*) FROM {missing(moment, condition)})",
        f"(SELECT count(*) FROM {source} WHERE ({nulls}) AND (\n{condition.where}\n))",
    ]


def _count(moment: Moment, part: Part, questions: Mapping[int, Question], seconds: float, counts: Counts) -> None:
    try:
        _pass(moment, part, questions, seconds, counts)
    except AskFailed as error:
        if len(questions) > 1 and _is_somebodys(moment, part, seconds, counts, error):
            for half in _halves(questions):
                _count(moment, part, half, seconds, counts)
        else:
            counts.by_question |= dict.fromkeys(questions, error)


def _is_somebodys(moment: Moment, part: Part, seconds: float, counts: Counts, error: AskFailed) -> bool:
    """Whether a pass failed for some of its questions only, and not because the table cannot be read (in time)."""
    if error.timeout and counts.rows is None:
        try:
            _pass(moment, part, {}, seconds, counts)
        except AskFailed:
            return False
    return not error.locked


def _are_countable(counts: Counts) -> bool:
    """Whether rows may be counted without the conditions that failed, all of them: others of the table ask by
    themselves, and what they find is told of so many rows.
    """
    errors = [each for each in counts.by_question.values() if isinstance(each, AskFailed)]
    was_tried = not errors or (len(errors) > 1 and all(error.timeout for error in errors))
    return not was_tried and not any(error.locked for error in errors)


def _halves(questions: Mapping[int, Question]) -> list[dict[int, Question]]:
    """Ours and those of people, when there are both; else one half and the other."""
    ours = {number: each for number, each in questions.items() if not each.condition.people}
    if not 0 < len(ours) < len(questions):
        numbers = list(questions)
        ours = {number: questions[number] for number in numbers[: len(numbers) // 2]}
    return [ours, {number: each for number, each in questions.items() if number not in ours}]


def _pass(moment: Moment, part: Part, questions: Mapping[int, Question], seconds: float, counts: Counts) -> None:
    """One statement over the part. Raises AskFailed."""
    conditions = [question.condition for question in questions.values()]
    listed = ["count(*) AS n"]
    listed += [f"count(*) FILTER (WHERE (\n{each.where}\n)) AS c{place}" for place, each in enumerate(conditions)]
    statement = f"SELECT {', '.join(listed)} FROM {part.source}"
    names = ["n", *(f"c{place}" for place in range(len(conditions)))]
    if part.place:
        sums = [f"coalesce(sum({name}), 0) AS {name}, coalesce(sum({name} * {name}), 0) AS s{name}" for name in names]
        statement = f"SELECT count(*) AS places, {', '.join(sums)} FROM ({statement} GROUP BY {part.place}) AS places"
        names = ["places", *(each for name in names for each in (name, f"s{name}"))]
    people = any(each.people for each in conditions)
    values = list(map(int, asked(moment, statement, names, people, seconds)[0]))
    counts.places = values.pop(0) if part.place else 0
    step = 2 if part.place else 1
    tallies = [
        Tally(count=values[at], squares=values[at + 1] if part.place else 0) for at in range(0, len(values), step)
    ]
    counts.rows = tallies[0]
    counts.by_question |= dict(zip(questions, tallies[1:], strict=True))
