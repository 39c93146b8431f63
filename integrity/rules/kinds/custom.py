"""Anything else that one SELECT can ask."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from integrity.checks.base import Found, Held, Moment, Outcome, Sample
from integrity.rules.base import RuleKind, Spec, Unfit
from integrity.rules.members import Member
from integrity.rules.rows import next_step
from opsconsole import masking

ROWS, NUMBER = "rows", "number"
SAMPLE_ROWS = 10
# What tells nothing about anybody, whatever column of whatever table it was computed from.
_PLAIN = re.compile(
    r"-?\d{1,20}(\.\d{1,20})?|\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?"
    r"|[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}"
)


class Custom(RuleKind):
    """Its rows may be computed from any column, so that texts among them are never shown."""

    name: ClassVar[str] = "sql"
    label: ClassVar[str] = "A SELECT of your own"
    members: ClassVar[tuple[Member, ...]] = (
        Member(name="query", label="SELECT", kind="query", help="one statement that only reads"),
        Member(
            name="gives", label="It gives", kind="choice", required=False, default=ROWS,
            choices=((ROWS, "the rows that are wrong"), (NUMBER, "one number: how many are wrong")),
        ),
        Member(name="table", label="Table that it is about", required=False, help="for the report; may stay empty"),
        Member(name="says", label="What must hold, in words", help="every paid order has an invoice"),
    )  # fmt: skip

    def sentence(self, spec: Mapping[str, Any]) -> str:
        return str(spec["says"]).strip().rstrip(".")

    def statements(self, rule: Spec, moment: Moment) -> list[str]:
        return [str(rule.spec["query"])]

    def look(self, rule: Spec, moment: Moment) -> Iterator[Outcome]:
        rule = self.filled(rule)
        query, must = str(rule.spec["query"]).strip().rstrip(";").rstrip(), self.sentence(rule.spec)
        count = _number(moment, query) if rule.spec["gives"] == NUMBER else _rows(moment, query)
        if count <= rule.threshold:
            yield Held(check=rule.check, subject=rule.name, sentence=f"{rule.name}: {must}.")
            return
        yield Found(
            check=rule.check,
            subject=rule.name,
            severity=rule.severity,
            category=rule.category,
            sentence=f"{count} {'is' if rule.spec['gives'] == NUMBER else 'rows are'} more than {rule.threshold}"
            f" in {rule.name}: {must}."
            if rule.threshold
            else f"{count} row{'s' * (count != 1)} break{'s' * (count == 1)} the rule {rule.name}: {must}.",
            count=count,
            table=str(rule.spec["table"]),
            sample=_sample(moment, query) if rule.spec["gives"] == ROWS else None,
            query=query,
            why=self.why,
            next_step=next_step(rule),
        )


def _rows(moment: Moment, query: str) -> int:
    return int(moment.inquiry.ask_people(f"SELECT count(*) AS n FROM (\n{query}\n) AS asked")[0]["n"])


def _number(moment: Moment, query: str) -> int:
    """Raises Unfit unless the query gives one row of one whole number."""
    given = moment.inquiry.ask_people(query, most=2)
    if len(given) != 1 or len(given[0]) != 1:
        raise Unfit("Its SELECT gave no single number.", "Have it give one row with one number, or the rows.")
    (value,) = given[0].values()
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal("NaN")
    if isinstance(value, bool) or not found.is_finite() or found != found.to_integral_value() or found < 0:
        raise Unfit("Its SELECT gave something else than a whole number from 0 on.", "Have it count what is wrong.")
    return int(found)


def _sample(moment: Moment, query: str) -> Sample | None:
    rows = moment.inquiry.ask_people(query, most=SAMPLE_ROWS)
    if not rows:
        return None
    return Sample(columns=tuple(rows[0]), rows=tuple(tuple(_shown(value) for value in row.values()) for row in rows))


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else masking.MASK
