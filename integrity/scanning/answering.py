"""Answering questions about rows: one pass over each table for all that need no joins, the others one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from integrity.checks.base import Answer, Moment, Outcome, Question, Sample, named, quoted
from integrity.scanning.failing import failed
from opsconsole.engines.inquiry import AskFailed

SAMPLE_ROWS = 10


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long one question may take, how many sessions look at once, and (with `percent`) how much of huge tables."""

    seconds: float = 300.0
    sessions: int = 2
    percent: float = 0.0


def answer(
    moment: Moment, questions: Sequence[Question], budget: Budget, progress: Callable[[int, int, str], None]
) -> tuple[list[Outcome], dict[str, int]]:
    """What every question tells, and the rows by table."""
    by_table: defaultdict[str, list[Question]] = defaultdict(list)
    for question in questions:
        by_table[question.condition.table].append(question)
    outcomes: list[Outcome] = []
    rows: dict[str, int] = {}
    for done, (table, asked) in enumerate(by_table.items()):
        progress(done, len(by_table), table)
        for question in asked:
            outcomes.append(_one(moment, question, budget, rows))
    return outcomes, rows


def _one(moment: Moment, question: Question, budget: Budget, rows: dict[str, int]) -> Outcome:
    condition = question.condition
    source = f"FROM {named(moment.structure, condition.table)} AS t {condition.joins}"
    try:
        if condition.table not in rows:
            rows[condition.table] = moment.inquiry.ask(
                f"SELECT count(*) FROM {named(moment.structure, condition.table)}", seconds=budget.seconds
            )[0][0]
        where = f"{source} WHERE ({condition.where})"
        count = _number(moment, f"SELECT count(*) AS n {where}", people=condition.people, seconds=budget.seconds)
        sample = _sample(moment, question, where, budget) if count else None
        told = Answer(count=count, of=rows[condition.table], sample=sample, query=f"SELECT t.* {where}")
    except AskFailed as error:
        return failed(question.check, question.title, question.category, question.severity, error)
    return question.told(told)


def _number(moment: Moment, sql: str, *, people: bool, seconds: float) -> int:
    if people:
        return int(moment.inquiry.ask_people(sql, seconds=seconds)[0]["n"])
    return int(moment.inquiry.ask(sql, seconds=seconds)[0][0])


def _sample(moment: Moment, question: Question, where: str, budget: Budget) -> Sample:
    relation = moment.structure.relations[question.condition.table]
    key = next((key.columns for key in relation.keys if key.primary), ())
    columns = tuple(dict.fromkeys((*key, *question.show))) or tuple(field.name for field in relation.fields)
    listed = ", ".join(f"t.{quoted(column)}" for column in columns)
    sql = f"SELECT {listed} {where} LIMIT {SAMPLE_ROWS}"
    if question.condition.people:
        found = moment.inquiry.ask_people(sql, seconds=budget.seconds)
        return Sample(columns=columns, rows=tuple(tuple(row[column] for column in columns) for row in found))
    return Sample(columns=columns, rows=tuple(moment.inquiry.ask(sql, seconds=budget.seconds)))
