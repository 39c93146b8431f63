"""Tables that must not lose rows from one report to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from integrity.checks.base import CONSISTENCY, Answer, Condition, Found, Held, Moment, Outcome, Question, named
from integrity.rules.base import RuleKind, Spec, Unfit
from integrity.rules.members import Member
from integrity.rules.resolving import table_called
from integrity.rules.rows import next_step
from integrity.scanning.failing import failed
from opsconsole.exceptions import Usage

_SAMPLED = Unfit("a sample of the table does not tell how many rows there are.", "Check it without sample=.")


class Count(RuleKind):
    """Compared with the last report on everything; without one there is nothing yet to fall from."""

    name: ClassVar[str] = "count"
    label: ClassVar[str] = "Rows that must not become fewer"
    category: ClassVar[str] = CONSISTENCY
    counts_rows: ClassVar[bool] = False
    why: ClassVar[str] = "Rows went that nobody meant to go, or a load was not complete."
    members: ClassVar[tuple[Member, ...]] = (
        Member(name="table", label="Table"),
        Member(
            name="percent", label="May fall by percent", kind="decimal", required=False, default="0",
            help="from one report on everything to the next; 0 for not at all",
        ),
        Member(
            name="least", label="Never fewer than", kind="number", required=False, default=0, help="rows, whatever was"
        ),
    )  # fmt: skip

    def refuse_odd(self, spec: Mapping[str, Any]) -> None:
        if Decimal(spec["percent"]) > 100:
            raise Usage("bad_value", f"{spec['percent']} percent is more than all.", "Use a number from 0 to 100.")

    def sentence(self, spec: Mapping[str, Any]) -> str:
        percent, least = str(spec.get("percent") or "0"), int(spec.get("least") or 0)
        by = f" by more than {percent} percent" if Decimal(percent) else ""
        also = f", and never below {least}" if least else ""
        return f"the number of rows of {spec['table']} does not fall{by}{also}"

    def questions(self, rule: Spec, moment: Moment) -> Iterator[Question]:
        rule = self.filled(rule)
        table = table_called(moment.structure, rule.spec["table"]).full_name
        source = f"SELECT count(*) FROM {named(moment.structure, table)}"

        def told(answer: Answer) -> Outcome:
            if answer.margin:
                return failed(rule.check, rule.name, rule.category, rule.severity, _SAMPLED)
            return self._told(rule, table, moment.before.get(table), answer, source)

        yield Question(
            check=rule.check,
            subject=table,
            title=rule.name,
            severity=rule.severity,
            category=rule.category,
            condition=Condition(table=table, where="1 = 0"),  # how many there are altogether is told with every answer
            told=told,
            of_all=True,
        )

    def statements(self, rule: Spec, moment: Moment) -> list[str]:
        table = table_called(moment.structure, rule.spec["table"]).full_name
        return [f"SELECT count(*) FROM {named(moment.structure, table)}"]

    def _told(self, rule: Spec, table: str, before: int | None, answer: Answer, source: str) -> Outcome:
        must, now_is, least = self.sentence(rule.spec), answer.of, int(rule.spec["least"])
        allowed = max(Decimal(rule.threshold), Decimal(before or 0) * Decimal(rule.spec["percent"]) / 100)
        lost = max((before or 0) - now_is, 0)
        if lost <= allowed and now_is >= least:
            since = f"{before} in the last report" if before is not None else "for the first time"
            return Held(check=rule.check, subject=table, sentence=f"{rule.name}: {must} ({now_is} rows, {since}).")
        were = f", and there were {before} in the last report" if lost > allowed else f", fewer than {least}"
        return Found(
            check=rule.check,
            subject=table,
            severity=rule.severity,
            category=rule.category,
            sentence=f"{table} has {now_is} rows{were}: {rule.name} says that {must}.",
            count=lost if lost > allowed else least - now_is,
            of=before if lost > allowed else least,
            margin=answer.margin,
            table=table,
            query=source,
            why=self.why,
            next_step=next_step(rule),
        )
