"""One look at the health of a database: what its server says of itself, and what the rules marked as health count.

It writes nothing, and every step ends after a few seconds, so that a server that is gone holds nobody up for long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrity.health.counting import Counted, count_all, unasked
from integrity.reporting.standing import rows_before
from integrity.rules.in_force import rules_of
from opsconsole.clock import now
from opsconsole.databases import engine_for
from opsconsole.exceptions import OpsError
from opsconsole.models import Database

STEP_SECONDS = 5.0  # for the connection, and for each question of the server


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen. `problem` says why the database, or its rules, could not be asked; with `code` its class."""

    at: datetime
    figures: Mapping[str, Any] = field(default_factory=dict)
    counted: tuple[Counted, ...] = ()
    code: str = ""
    problem: str = ""
    next_step: str = ""

    @property
    def healthy(self) -> bool:
        return not self.problem and not any(each.spoils for each in self.counted)

    @property
    def checks(self) -> dict[str, int | None]:
        """Rows by name; rules that share a name are added up, and one that could not be asked makes it null."""
        found: dict[str, int | None] = {}
        for each in self.counted:
            known = found.get(each.name, 0)
            found[each.name] = None if known is None or each.count is None else known + each.count
        return found

    @property
    def why(self) -> str:
        """Why it is unhealthy, in a sentence; empty when it is not."""
        if self.problem:
            return self.problem
        issues = [each.issue.rstrip(".") for each in self.counted if each.spoils]
        return f"{'; '.join(issues)}." if issues else ""

    def to_json(self) -> dict[str, Any]:
        """Everything that was seen, as it is kept and as the API and the command tell it."""
        details: dict[str, Any] = {name: {"count": count, "rules": []} for name, count in self.checks.items()}
        for each in self.counted:
            told = {
                "rule": each.rule, "holds": each.sentence, "severity": each.severity.value, "count": each.count,
                "threshold": each.threshold, "why": each.why, "next": each.next_step, "off": each.off,
            }  # fmt: skip
            details[each.name]["rules"].append(told)
        issues = [each.issue for each in self.counted if each.issue]
        return {
            "status": "healthy" if self.healthy else "unhealthy",
            "checks": self.checks,
            "figures": dict(self.figures),
            "details": {
                **details,
                "summary": {"healthy": self.healthy, "issues": [self.problem, *issues] if self.problem else issues},
            },
            "problem": {"code": self.code, "why": self.problem, "next": self.next_step} if self.problem else None,
        }


def look_at(database: Database) -> Look:
    """Ask it now. Never raises because of the database."""
    at = now()
    rules = [rule for rule in rules_of(database) if rule.health]
    before = rows_before(database) if rules else {}
    figures: dict[str, Any] = {}
    try:
        engine = engine_for(database)
        figures = engine.vitals(seconds=STEP_SECONDS).to_json()
        counted = count_all(engine, database.name, rules, before=before) if rules else []
    except OpsError as error:
        return Look(
            at=at, figures=figures, counted=unasked(rules, error), code=error.code, problem=error.why,
            next_step=error.next_step,
        )  # fmt: skip
    return Look(at=at, figures=figures, counted=tuple(counted))
