"""Some of the rows that meet a condition, as a report shows them."""

from __future__ import annotations

from integrity.checks.base import Condition, Moment, Question, Sample, named, quoted
from integrity.scanning.counting import asked, missing
from integrity.scanning.parts import Part
from opsconsole.engines.inquiry import AskFailed
from opsconsole.engines.structure import Field

SAMPLE_ROWS = 10
LONGEST = 1000  # characters of a text, or bytes
_SHORT = frozenset({"boolean", "integer", "numeric", "float", "timestamp", "timestamptz", "date"})


def sample(moment: Moment, part: Part, question: Question, seconds: float, *, by_index: bool) -> Sample | None:
    """The key's columns, and those that the question shows; of a table without a key, all. None when it fails."""
    relation = moment.structure.relations[question.condition.table]
    key = next((key.columns for key in relation.keys if key.primary), ())
    names = tuple(dict.fromkeys((*key, *question.show))) or tuple(field.name for field in relation.fields)
    fields = {field.name: field for field in relation.fields}
    try:
        listed = ", ".join(f"{_cut(fields[name], moment.vendor)} AS {quoted(name)}" for name in names)
        rows = asked(
            moment,
            f"SELECT {listed} FROM {_rows(moment, part, question.condition, by_index)} LIMIT {SAMPLE_ROWS}",
            names,
            question.condition.people,
            seconds,
        )
        if by_index and not rows:  # rows whose values are NULL are found by no IN
            return sample(moment, part, question, seconds, by_index=False)
    except (AskFailed, KeyError):  # the count stands without it
        return None
    return Sample(columns=names, rows=tuple(rows))


def query(moment: Moment, condition: Condition) -> str:
    """What finds the rows again, by hand."""
    where = f"({condition.where})" if "--" not in condition.where else f"(\n{condition.where}\n)"
    source = f"{named(moment.structure, condition.table)} AS t {condition.joins}".rstrip()
    return f"SELECT t.* FROM {source} WHERE {where}"


def _rows(moment: Moment, part: Part, condition: Condition, by_index: bool) -> str:
    if by_index:
        return missing(moment, condition)
    return f"{part.source} {condition.joins} WHERE (\n{condition.where}\n)"


def _cut(field: Field, vendor: str) -> str:
    """A value that takes little memory, whatever its column holds."""
    column = f"t.{quoted(field.name)}"
    if vendor == "sqlite":
        return f"CASE WHEN typeof({column}) IN ('text', 'blob') THEN substr({column}, 1, {LONGEST}) ELSE {column} END"
    if field.family in _SHORT:
        return column
    return f"substr({column}, 1, {LONGEST})" if field.family == "bytes" else f"left({column}::text, {LONGEST})"
