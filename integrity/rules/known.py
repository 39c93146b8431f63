"""The explicit table of kinds of rules."""

from __future__ import annotations

from integrity.rules.base import RuleKind, register_rule_kind
from integrity.rules.kinds.aggregate import Aggregate
from integrity.rules.kinds.altered import Altered
from integrity.rules.kinds.count import Count
from integrity.rules.kinds.custom import Custom
from integrity.rules.kinds.expired import Expired
from integrity.rules.kinds.orphan import Orphan
from integrity.rules.kinds.reference import Reference
from integrity.rules.kinds.row import Row
from integrity.rules.kinds.shape import Shape
from integrity.rules.kinds.unique import Unique

KINDS: tuple[RuleKind, ...] = (
    Orphan(), Row(), Aggregate(), Unique(), Expired(), Count(), Custom(), Shape(), Reference(), Altered(),
)  # fmt: skip


def register_kinds() -> None:
    """Add them all to the table of kinds. Raises TypeError for a duplicate."""
    for kind in KINDS:
        register_rule_kind(kind)
