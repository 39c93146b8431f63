"""The contract of a kind of rule, and the registry of kinds.

A kind of rule checks what somebody wrote (`checked`), and turns a rule into what is asked of a database: questions that
are answered together with others, or a look of its own. A rule that does not fit the database (a table that is gone, a
column that was renamed) raises `Unfit`; that is a finding, never silence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from integrity.checks.base import BUSINESS, RULE, Moment, Outcome, Proposal, Question, Severity, named
from integrity.rules.members import Member, read_members
from integrity.rules.unfit import Unfit as Unfit

NO_FIX = "none"  # the action of a rule's fix that proposes nothing


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A rule as a value: what a row of `integrity.models.Rule` says, or a line of a pack or of an import."""

    name: str
    kind: str
    spec: Mapping[str, Any]
    severity: Severity
    category: str
    threshold: int = 0
    owner: str = ""
    hint: str = ""
    fix: Mapping[str, Any] | None = None
    health: str = ""
    pack: str = ""
    off: bool = False  # it is kept, and nothing asks it

    @property
    def check(self) -> str:
        """The name under which its findings are kept."""
        return f"{RULE}{self.name}"


class RuleKind(ABC):
    """One sort of rule."""

    name: ClassVar[str]
    label: ClassVar[str]  # "Rows without their parent"
    members: ClassVar[tuple[Member, ...]]
    category: ClassVar[str] = BUSINESS  # where nobody says another
    own_fixes: ClassVar[tuple[str, ...]] = ()  # actions that it proposes by itself, complete
    fixable: ClassVar[bool] = False  # whether its rules are conditions, so that a configured fix can use them
    counts_rows: ClassVar[bool] = True  # whether what it asks is how many rows are wrong now, as health counts them
    offered: ClassVar[bool] = True  # whether people can ask for rules of this kind
    why: ClassVar[str] = "Somebody said that this must hold, and it does not."  # it matters, for a finding

    def checked(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The members, complete and in their types. Raises Usage, naming the member."""
        found = read_members(self.name, self.members, spec)
        self.refuse_odd(found)
        return found

    def filled(self, rule: Spec) -> Spec:
        """A rule with every member, where one was made without those that may be left out."""
        return replace(rule, spec={**{member.name: member.default for member in self.members}, **rule.spec})

    def refuse_odd(self, spec: Mapping[str, Any]) -> None:
        """Raise Usage for members that make no sense together."""

    @abstractmethod
    def sentence(self, spec: Mapping[str, Any]) -> str:
        """What must hold, in words: "every user_id of accounts is the id of a row of users"."""

    def questions(self, rule: Spec, moment: Moment) -> Iterable[Question]:
        """What is asked about rows. Raises Unfit."""
        return ()

    def look(self, rule: Spec, moment: Moment) -> Iterable[Outcome]:
        """What is asked by itself. Raises Unfit or AskFailed."""
        return ()

    def statements(self, rule: Spec, moment: Moment) -> list[str]:
        """The SELECTs that are asked, for people to read; nothing is asked. Raises Unfit."""
        return [
            f"SELECT t.* FROM {named(moment.structure, each.condition.table)} AS t {each.condition.joins}".rstrip()
            + f"\nWHERE {each.condition.where}"
            for each in self.questions(rule, moment)
        ]

    def proposes(self, rule: Spec) -> bool:
        """Whether its own words say what sets right what breaks it."""
        return rule.fix.get("action") != NO_FIX if rule.fix else bool(self.own_fixes)

    def fixes(self, rule: Spec, moment: Moment) -> tuple[Proposal, ...]:
        """What would set it right; `rule.fix` says which of them, when somebody said so. Raises Unfit."""
        return ()


def is_curable(rule: Spec) -> bool:
    """Whether something sets right what breaks a rule."""
    kind = rule_kind(rule.kind)
    return kind is not None and kind.proposes(rule)


_REGISTRY: dict[str, RuleKind] = {}


def register_rule_kind(kind: RuleKind) -> None:
    """Add a kind of rule. Raises TypeError for a duplicate."""
    if kind.name in _REGISTRY:
        raise TypeError(f"the kind of rule {kind.name} is registered twice")
    _REGISTRY[kind.name] = kind


def rule_kinds() -> list[RuleKind]:
    """All kinds of rules, in the order in which they were registered."""
    return list(_REGISTRY.values())


def rule_kind(name: str) -> RuleKind | None:
    """The kind of that name."""
    return _REGISTRY.get(name)
