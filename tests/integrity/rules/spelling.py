"""Rules as tests write them: only what matters, the rest as a form would fill it in."""

from __future__ import annotations

from typing import Any

from integrity.rules.base import Spec
from integrity.rules.requested import rule_from
from opsconsole.review import Dialect


def rule(kind: str, *, on: str = "sqlite", name: str = "", fix: Any = None, **spec: Any) -> Spec:
    """A rule of that kind with these members; `threshold` is the rule's own."""
    threshold = spec.pop("threshold", 0)
    given = {
        "name": name or f"{kind}-rule", "kind": kind, "spec": spec, "severity": "critical", "threshold": threshold,
        "fix": fix,
    }  # fmt: skip
    return rule_from(given, Dialect(on))
