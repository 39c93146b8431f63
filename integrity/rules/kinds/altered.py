"""A rule whose words are not the ones that were confirmed: it is asked of nothing, and is a finding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from integrity.checks.base import Moment, Question
from integrity.rules.base import RuleKind, Spec, Unfit
from integrity.rules.members import Member


class Altered(RuleKind):
    """What `in_force` makes of such a row. Nobody can ask for one."""

    name: ClassVar[str] = "altered"
    label: ClassVar[str] = "A rule that was altered past the console"
    members: ClassVar[tuple[Member, ...]] = ()
    offered: ClassVar[bool] = False

    def sentence(self, spec: Mapping[str, Any]) -> str:
        return "the rule is the one that was confirmed"

    def questions(self, rule: Spec, moment: Moment) -> Iterator[Question]:
        raise Unfit(
            f"The rule {rule.name} is not the one that was confirmed in operation {rule.spec['operation']}.",
            "Look in the audit history for who changed it, then set it again.",
        )

    def statements(self, rule: Spec, moment: Moment) -> list[str]:
        return []
