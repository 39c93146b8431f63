"""Some of the rows that meet conditions, as a report shows them.

Faults are few, and often in the newest rows, so that looking for those of one condition may take a whole pass. The few
of several conditions are looked for in one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from integrity.checks.base import Condition, Moment, Question, Sample, named, quoted
from integrity.scanning.counting import asked, missing
from integrity.scanning.parts import Part
from opsconsole.engines.inquiry import AskFailed
from opsconsole.engines.structure import Field

SAMPLE_ROWS = 10
FEW = 1000  # rows that meet a condition, which may be looked for together with others
LONGEST = 1000  # characters of a text, or bytes
_SHORT = frozenset({"boolean", "integer", "numeric", "float", "timestamp", "timestamptz", "date"})


def samples(
    moment: Moment, part: Part, questions: Mapping[int, tuple[Question, int]], seconds: float
) -> dict[int, Sample | None]:
    """Rows for each question that a pass over the part has counted, given with its count."""
    few = {number: question for number, (question, count) in questions.items() if count <= FEW}
    found: dict[int, Sample | None] = {}
    if len(few) > 1:
        try:
            found |= _together(moment, part, few, seconds)
        except (AskFailed, KeyError):  # the one that it fails for is found below
            pass
    return found | {
        number: sample(moment, part, question, count, seconds, by_index=False)
        for number, (question, count) in questions.items()
        if number not in found
    }


def sample(
    moment: Moment, part: Part, question: Question, count: int, seconds: float, *, by_index: bool
) -> Sample | None:
    """Rows for one question that has so many. None when it fails: the count stands without them."""
    condition, names = question.condition, _names(moment, question)
    source = (
        missing(moment, condition) if by_index else f"{part.source} {condition.joins} WHERE (\n{condition.where}\n)"
    )
    try:
        statement = f"SELECT {_listed(moment, condition.table, names)} FROM {source} LIMIT {min(count, SAMPLE_ROWS)}"
        rows = asked(moment, statement, names, condition.people, seconds)
    except (AskFailed, KeyError):
        return None
    if by_index and not rows:  # those with a NULL are IN nothing
        return sample(moment, part, question, count, seconds, by_index=False)
    return Sample(columns=names, rows=tuple(rows))


def query(moment: Moment, condition: Condition) -> str:
    """What finds the rows again, by hand."""
    where = f"({condition.where})" if "--" not in condition.where else f"(\n{condition.where}\n)"
    source = f"{named(moment.structure, condition.table)} AS t {condition.joins}".rstrip()
    return f"SELECT t.* FROM {source} WHERE {where}"


def _together(
    moment: Moment, part: Part, questions: Mapping[int, Question], seconds: float
) -> dict[int, Sample | None]:
    """Up to ten rows for each combination of conditions that a row meets. Raises AskFailed, and KeyError."""
    conditions = [question.condition for question in questions.values()]
    columns = tuple(dict.fromkeys(name for question in questions.values() for name in _names(moment, question)))
    met = ", ".join(f"((\n{each.where}\n) IS TRUE) AS _q{place}" for place, each in enumerate(conditions))
    marks = [f"_q{place}" for place in range(len(conditions))]
    either = " OR ".join(f"(\n{each.where}\n)" for each in conditions)
    rows = f"SELECT {_listed(moment, conditions[0].table, columns)}, {met} FROM {part.source} WHERE {either}"
    numbered = f"SELECT *, row_number() OVER (PARTITION BY {', '.join(marks)}) AS _row FROM ({rows}) AS met"
    listed = ", ".join([*map(quoted, columns), *marks])
    statement = f"SELECT {listed} FROM ({numbered}) AS numbered WHERE _row <= {SAMPLE_ROWS}"
    people = any(each.people for each in conditions)
    found = asked(moment, statement, [*columns, *marks], people, seconds)
    return {
        number: _of_one(columns, _names(moment, question), place, found)
        for place, (number, question) in enumerate(questions.items())
    }


def _of_one(columns: Sequence[str], names: Sequence[str], place: int, found: Sequence[Sequence[object]]) -> Sample:
    places = [columns.index(name) for name in names]
    rows = [tuple(row[at] for at in places) for row in found if row[len(columns) + place]]
    return Sample(columns=tuple(names), rows=tuple(rows[:SAMPLE_ROWS]))


def _names(moment: Moment, question: Question) -> tuple[str, ...]:
    """The key's columns, and those that the question shows; of a table without a key, all."""
    relation = moment.structure.relations[question.condition.table]
    key = next((key.columns for key in relation.keys if key.primary), ())
    return tuple(dict.fromkeys((*key, *question.show))) or tuple(field.name for field in relation.fields)


def _listed(moment: Moment, table: str, names: Sequence[str]) -> str:
    """Raises KeyError for a column that is not there."""
    fields = {field.name: field for field in moment.structure.relations[table].fields}
    return ", ".join(f"{_cut(fields[name], moment.vendor)} AS {quoted(name)}" for name in names)


def _cut(field: Field, vendor: str) -> str:
    """A value that takes little memory, whatever its column holds."""
    column = f"t.{quoted(field.name)}"
    if vendor == "sqlite":
        return f"CASE WHEN typeof({column}) IN ('text', 'blob') THEN substr({column}, 1, {LONGEST}) ELSE {column} END"
    if field.family in _SHORT:
        return column
    return f"substr({column}, 1, {LONGEST})" if field.family == "bytes" else f"left({column}::text, {LONGEST})"
