"""Required reference rows: lookups and definitions without which an application does not work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from integrity.checks.base import CONSISTENCY, Found, Held, Moment, Outcome, named, quoted
from integrity.rules.base import RuleKind, Spec
from integrity.rules.members import Member
from integrity.rules.resolving import columns_called, table_called
from integrity.rules.rows import next_step
from opsconsole.engines.scripting import Value
from opsconsole.exceptions import Usage

AT_ONCE = 100  # rows that one statement asks for
MOST_ROWS = 2000
_Row = Mapping[str, str | int]


class Reference(RuleKind):
    """Each required row that is absent is a finding of its own; with `least`, too few rows are one as well."""

    name: ClassVar[str] = "reference"
    label: ClassVar[str] = "Required reference rows"
    category: ClassVar[str] = CONSISTENCY
    why: ClassVar[str] = "The application takes these rows for granted."
    members: ClassVar[tuple[Member, ...]] = (
        Member(name="table", label="Table"),
        Member(name="key", label="Key columns", kind="list", required=False, help="by which a row is known"),
        Member(
            name="rows", label="Rows that must be there", kind="json", required=False, default=[],
            help='a list of values of the key column, or of objects: ["admin", "user"]',
        ),
        Member(
            name="least", label="At least so many rows", kind="number", required=False, default=0,
            help="whichever they are; 0 asks nothing",
        ),
    )  # fmt: skip

    def checked(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        found = super().checked(spec)
        return {**found, "rows": [_row(each, found["key"]) for each in found["rows"]]}

    def refuse_odd(self, spec: Mapping[str, Any]) -> None:
        rows = spec["rows"]
        if not isinstance(rows, list) or len(rows) > MOST_ROWS:
            raise Usage("bad_value", f"rows is no list of at most {MOST_ROWS} rows.", "Write a JSON list.")
        if rows and not spec["key"]:
            raise Usage("missing_value", "A rule of kind reference needs key with rows.", "Name the key's columns.")
        if not rows and not spec["least"]:
            raise Usage(
                "missing_value", "It needs either rows or least.", "Name a row that must be there, or a number."
            )

    def sentence(self, spec: Mapping[str, Any]) -> str:
        parts = []
        if spec["rows"]:
            some = ", ".join(_called(row) for row in spec["rows"][:5])
            more = f" and {len(spec['rows']) - 5} more" if len(spec["rows"]) > 5 else ""
            several = len(spec["rows"]) > 1
            parts.append(f"the row{'s' * several} {some}{more} {'are' if several else 'is'} in {spec['table']}")
        if spec["least"]:
            parts.append(f"at least {spec['least']} row{'s are' if spec['least'] != 1 else ' is'} in {spec['table']}")
        return ", and ".join(parts)

    def look(self, rule: Spec, moment: Moment) -> Iterator[Outcome]:
        rule = self.filled(rule)
        relation = table_called(moment.structure, rule.spec["table"])
        columns = columns_called(relation, rule.spec["key"] or ())
        source, rows = named(moment.structure, relation.full_name), rule.spec["rows"]
        if least := rule.spec["least"]:
            ((there,),) = moment.inquiry.ask(f"SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT {int(least)}) n")
            yield _enough(rule, relation.full_name, there)
        for first in range(0, len(rows), AT_ONCE):
            some = rows[first : first + AT_ONCE]
            (answers,) = moment.inquiry.ask(*_asked(source, columns, some, moment.vendor))
            for row, there in zip(some, answers, strict=True):
                yield _told(rule, relation.full_name, row, bool(there))

    def statements(self, rule: Spec, moment: Moment) -> list[str]:
        rule = self.filled(rule)
        relation = table_called(moment.structure, rule.spec["table"])
        columns = columns_called(relation, rule.spec["key"] or ())
        source, rows = named(moment.structure, relation.full_name), rule.spec["rows"]
        found = [f"SELECT count(*) FROM {source}"] if rule.spec["least"] else []
        if rows:
            listed = ", ".join(quoted(column) for column in columns)
            wanted = ", ".join(f"({', '.join(_literal(value) for value in row.values())})" for row in rows)
            found.append(f"SELECT {listed} FROM {source} WHERE ({listed}) IN ({wanted})")
        return found


def _asked(source: str, columns: Sequence[str], rows: Sequence[_Row], vendor: str) -> tuple[str, list[Value]]:
    """One statement with a truth value a row. PostgreSQL reads a text as a value of any column's type."""
    same = " AND ".join(f"t.{quoted(column)} = ?" for column in columns)
    exists = f"EXISTS (SELECT 1 FROM {source} t WHERE {same})"
    values: list[Value] = [value for row in rows for value in row.values()]
    return f"SELECT {', '.join([exists] * len(rows))}", [str(v) for v in values] if vendor == "postgresql" else values


def _told(rule: Spec, table: str, row: _Row, there: bool) -> Outcome:
    subject = f"{rule.spec['table']}: {_called(row)}"
    if there:
        return Held(check=rule.check, subject=subject, sentence=f"{table} has the row {_called(row)}.")
    return _found(rule, table, subject, f"{table} lacks the row {_called(row)}.", count=1)


def _enough(rule: Spec, table: str, there: int) -> Outcome:
    least, subject = rule.spec["least"], f"rows of {rule.spec['table']}"
    if there >= least:
        return Held(check=rule.check, subject=subject, sentence=f"{table} has at least {least} rows.")
    words = f"{table} has {there} row{'s' * (there != 1)}, and at least {least} must be there."
    return _found(rule, table, subject, words, count=least - there)


def _found(rule: Spec, table: str, subject: str, sentence: str, *, count: int) -> Found:
    return Found(
        check=rule.check,
        subject=subject,
        severity=rule.severity,
        category=rule.category,
        sentence=sentence,
        count=count,
        table=table,
        why=Reference.why,
        next_step=next_step(rule),
    )


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def _called(row: _Row) -> str:
    return ", ".join(str(value) for value in row.values())


def _row(given: Any, key: Sequence[str]) -> dict[str, str | int]:
    """A required row by the columns of the key, in the key's order."""
    row = given if isinstance(given, dict) else {key[0]: given} if len(key) == 1 else {}
    if set(row) != set(key) or not all(isinstance(value, str | int) for value in row.values()):
        wanted = ", ".join(key)
        raise Usage("bad_value", f"rows holds {given!r}.", f"Each row has a text or a number for each of: {wanted}.")
    return {column: row[column] for column in key}
