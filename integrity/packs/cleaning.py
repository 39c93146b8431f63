"""The cleanup of a database: what the packs that its rules came from say is removed, and in which order."""

from __future__ import annotations

from collections.abc import Iterable

from integrity.packs.specs import cleanup_names
from integrity.rules.base import Spec
from opsconsole.packs import every
from opsconsole.packs.values import label_parts


def cleanup_of(rules: Iterable[Spec]) -> list[str]:
    """Names of the health answer, in the order of their packs' cleanups; only those that a rule here still has."""
    there = list(rules)
    loaded = {label_parts(rule.pack)[0] for rule in there}
    known = {rule.health for rule in there if rule.health}
    return [name for pack in every() if pack.name in loaded for name in cleanup_names(pack) if name in known]
