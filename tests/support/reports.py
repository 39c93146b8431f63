"""Reports that are kept without anybody having checked a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.support.backups import planned_operation


def found(subject: str, *, check: str = "orphans", severity: str = "critical", **more: Any) -> Any:
    """A finding."""
    from integrity.checks.base import Found, Severity

    values: dict[str, Any] = {
        "sentence": f"{subject} is wrong.", "category": "Orphaned Records", "why": "It matters.",
        "next_step": "Look at it.",
    }  # fmt: skip
    return Found(check=check, subject=subject, severity=Severity(severity), **{**values, **more})


def held(subject: str, *, check: str = "orphans", margin: str = "") -> Any:
    """What was looked at and is sound."""
    from integrity.checks.base import Held

    return Held(check=check, subject=subject, sentence=f"{subject} is sound.", margin=margin)


def list_report(
    database: Any, account: Any, outcomes: Sequence[Any], *, looked: Iterable[str] | None = None,
    off: Mapping[str, int] | None = None, **given: str,
) -> Any:  # fmt: skip
    """A report of these outcomes, compared with what stands; `looked` names the checks that were asked,
    `off` those of rules that were switched off.
    """
    from integrity.reporting import composing, keeping, standing
    from opsconsole.clock import now

    operation = planned_operation(database, account, "check", **{"mode": "full", "category": "", "rule": "", **given})
    names = None if looked is None else frozenset(looked)
    composed = composing.compose(outcomes, standing.standing(database), now(), names, off=off)
    return keeping.keep(operation, database, composed, began=now(), rows={"orders": 3}, facts={"seconds": 2})
