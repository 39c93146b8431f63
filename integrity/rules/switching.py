"""Rules that are switched off and on again: what they say stays, and nothing asks them meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from integrity.rules.base import Spec, rule_kind
from opsconsole.changes.values import names
from opsconsole.exceptions import Usage
from opsconsole.models import Database

OFF, ON = "off", "on"


def switched(database: Database, parameters: Mapping[str, Any], known: Mapping[str, Spec]) -> list[Spec]:
    """The rules that `off` and `on` name, as they would be. Raises Usage for one that cannot be switched so."""
    return [*_all(database, names(parameters, OFF), known, off=True), *_all(database, names(parameters, ON), known)]


def is_switch(rule: Spec, before: Spec | None) -> bool:
    """Whether nothing else of a rule changes."""
    return before is not None and rule.off != before.off and replace(before, off=rule.off) == rule


def _all(database: Database, given: list[str], known: Mapping[str, Spec], *, off: bool = False) -> Iterator[Spec]:
    for name in given:
        rule = known.get(name)
        if rule is None:
            raise Usage("unknown_rule", f"{database.name} has no rule {name}.", "Look at the list of its rules.")
        kind = rule_kind(rule.kind)
        if kind is None or not kind.offered:
            raise Usage(
                "altered", f"The rule {name} is not the one that was confirmed.", "Set it again, or have it removed."
            )
        if rule.off == off:
            raise Usage("nothing_to_do", f"The rule {name} is {OFF if off else ON} already.", "See the list.")
        yield replace(rule, off=off)
