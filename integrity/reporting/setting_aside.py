"""The rules that were off when a report was made, and what stood of them: not looked at, and not counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from integrity.checks.base import RULE
from integrity.models import Report

LISTED = 10  # names in a sentence


@dataclass(frozen=True, kw_only=True)
class Aside:
    """One such rule, the change that says that it is off (0: not known), and ids of the findings that stood."""

    rule: str
    operation: int
    findings: tuple[int, ...]

    @property
    def check(self) -> str:
        return f"{RULE}{self.rule}"

    @property
    def sentence(self) -> str:
        by = f" by operation {self.operation}" if self.operation else ""
        return f"The rule {self.rule} was switched off{by}, and not asked{_stood(len(self.findings))}."


def asides_of(report: Report) -> list[Aside]:
    """By the rules' names."""
    return [
        Aside(rule=each["rule"], operation=each["operation"], findings=tuple(each["findings"])) for each in report.off
    ]


def words(asides: Iterable[Aside]) -> str:
    """`2 rules are switched off, and were not asked: a, b`; empty for none."""
    names = [each.rule for each in asides]
    if len(names) > 1:
        return f"{len(names)} rules are switched off, and were not asked: {listed(names)}"
    return f"the rule {names[0]} is switched off, and was not asked" if names else ""


def listed(names: Sequence[str]) -> str:
    """Some of many names."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{', '.join(names[:LISTED])}{more}"


def _stood(count: int) -> str:
    if not count:
        return ""
    return f"; {count} finding{'s' * (count != 1)} of it stood, and {'are' if count != 1 else 'is'} not counted"
