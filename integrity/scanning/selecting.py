"""What a check looks at: everything, what can be critical, one category, or one rule or check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from integrity.checks.base import Check, Severity
from integrity.checks.known import CHECKS
from integrity.rules.base import Spec
from opsconsole.exceptions import Usage

FULL, QUICK = "full", "quick"
LISTED = 20  # rules, where a name is none of them


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The checks and rules that are asked; `whole` when that is all there is to ask."""

    checks: tuple[Check, ...]
    rules: tuple[Spec, ...]
    whole: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Under which the findings of all of these are kept."""
        return frozenset((*(check.name for check in self.checks), *(rule.check for rule in self.rules)))


def select(engine: str, rules: Sequence[Spec], *, mode: str, category: str = "", rule: str = "") -> Selection:
    """Those of the vendor that fit and are on. Raises Usage when a name or a category is none of them, or is off."""
    checks = [check for check in CHECKS if engine in check.engines]
    if rule:
        one = [check for check in checks if check.name == rule]
        ruled = [spec for spec in rules if spec.name == rule and not spec.off]
        if not one and not ruled:
            raise _unknown(rule, rules, [check.name for check in checks])
        return Selection(checks=tuple(one), rules=tuple(ruled))
    if category:
        known = sorted({check.category for check in checks} | {spec.category for spec in rules})
        if category not in known:
            raise Usage("unknown_category", f"There is no category {category}.", f"Use one of: {', '.join(known)}.")
        checks = [check for check in checks if check.category == category]
        rules = [spec for spec in rules if spec.category == category]
    rules = [spec for spec in rules if not spec.off]
    if mode == QUICK:
        checks = [check for check in checks if check.severity is Severity.CRITICAL]
        rules = [spec for spec in rules if spec.severity is Severity.CRITICAL]
    return Selection(checks=tuple(checks), rules=tuple(rules), whole=mode == FULL and not category)


def _unknown(name: str, specs: Sequence[Spec], checks: list[str]) -> Usage:
    rules = [spec.name for spec in specs]
    if name in rules:
        why = f"The rule {name} is switched off, so that no check asks it."
        return Usage("rule_is_off", why, "Have it switched on, or try it on its form.")
    close = get_close_matches(name, [*rules, *checks], n=3, cutoff=0.5)
    listed = ", ".join(rules[:LISTED]) + (f" and {len(rules) - LISTED} more" if len(rules) > LISTED else "")
    parts = [f"Do you mean {' or '.join(close)}?"] if close else []
    parts.append(f"Its rules are {listed}." if rules else "It has no rules.")
    parts.append("The names of checks stand in docs/integrity.md, and all of them in the form of a check.")
    return Usage("unknown_rule", f"There is no rule and no check called {name} here.", " ".join(parts))
