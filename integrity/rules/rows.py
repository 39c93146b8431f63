"""Kinds of rules that are one condition about rows of one table: how it is told, and what would set it right."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from integrity.checks.base import Answer, Condition, Found, Held, Moment, Outcome, Proposal, Question
from integrity.rules.base import NO_FIX, RuleKind, Spec
from integrity.rules.resolving import column_called, table_called

LOOK_AT_THEM = "Look at the rows, set them right, and find out what wrote them."


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a rule comes to in one database: which rows break it, what it is about, and columns worth seeing."""

    condition: Condition
    subject: str
    show: tuple[str, ...] = ()


class RowsKind(RuleKind):
    """A kind whose rules are conditions."""

    fixable: ClassVar[bool] = True

    @abstractmethod
    def asked(self, rule: Spec, moment: Moment) -> Asked:
        """The condition of the rows that break the rule. Raises Unfit."""

    def usual(self, rule: Spec, moment: Moment, asked: Asked) -> tuple[Proposal, ...]:
        """What sets such rows right where nobody said how."""
        return ()

    def questions(self, rule: Spec, moment: Moment) -> Iterator[Question]:
        rule = self.filled(rule)
        asked, fixes = self.asked(rule, moment), self.fixes(rule, moment)

        def told(answer: Answer) -> Outcome:
            return self._told(rule, asked, fixes, answer)

        yield Question(
            check=rule.check,
            subject=asked.subject,
            title=rule.name,
            severity=rule.severity,
            category=rule.category,
            condition=asked.condition,
            told=told,
            show=asked.show,
        )

    def fixes(self, rule: Spec, moment: Moment) -> tuple[Proposal, ...]:
        rule = self.filled(rule)
        asked = self.asked(rule, moment)
        usual = self.usual(rule, moment, asked)
        if rule.fix is None:
            return usual
        action, column = str(rule.fix.get("action")), str(rule.fix.get("column") or "")
        value = str(rule.fix.get("value") or "")
        if action == NO_FIX:
            return ()
        known = next((each for each in usual if each.action == action and not value), None)
        if known is not None and not column:
            return (known,)
        relation = table_called(moment.structure, asked.condition.table)
        column = column_called(relation, column).name if column else ""
        return (_configured(action, asked.condition, column, value),)

    def _told(self, rule: Spec, asked: Asked, fixes: tuple[Proposal, ...], answer: Answer) -> Outcome:
        table, must = asked.condition.table, self.sentence(rule.spec)
        if answer.count <= rule.threshold:
            allowed = f" ({answer.count} rows break it, {rule.threshold} may)" if answer.count else ""
            return Held(check=rule.check, subject=asked.subject, sentence=f"{rule.name}: {must}{allowed}.")
        rows = f"{answer.count} row{'s' * (answer.count != 1)} of {table} break{'s' * (answer.count == 1)}"
        return Found(
            check=rule.check,
            subject=asked.subject,
            severity=rule.severity,
            category=rule.category,
            sentence=f"{rows} the rule {rule.name}: {must}.",
            count=answer.count,
            of=answer.of,
            margin=answer.margin,
            table=table,
            sample=answer.sample,
            query=answer.query,
            why=self.why,
            next_step=next_step(rule),
            proposals=fixes,
        )


def next_step(rule: Spec) -> str:
    """What to do about a rule that is broken."""
    hint = rule.hint.strip() or LOOK_AT_THEM
    ended = hint if hint.endswith((".", "!", "?")) else f"{hint}."
    return f"{ended} {rule.owner} looks after this." if rule.owner else ended


def on_rows(asked: Asked, action: str, words: str, **more: Any) -> Proposal:
    """A proposal about the rows that break a rule."""
    condition = asked.condition
    return Proposal(
        action=action, words=words, table=condition.table, where=condition.where, joins=condition.joins,
        people=condition.people, **more,
    )  # fmt: skip


def people_wrote(spec: Mapping[str, Any], *members: str) -> bool:
    """Whether any of these members was written by somebody."""
    return any(spec.get(name) for name in members)


def expression(text: str) -> str:
    """An expression of people, in parentheses that no comment of theirs can leave open."""
    return f"(\n{text}\n)" if "\n" in text or "--" in text else f"({text})"


def _configured(action: str, condition: Condition, column: str, value: str) -> Proposal:
    given = Asked(condition=condition, subject="")
    table = condition.table
    if action == "delete_rows":
        return on_rows(given, action, f"Delete these rows of {table}")
    if action == "set_null":
        return on_rows(given, action, f"Set {column} of these rows of {table} to NULL", column=column)
    words = f"Set {column} of these rows of {table} to {' '.join(value.split())}"
    return replace(on_rows(given, action, words, column=column, value=expression(value)), people=True)
