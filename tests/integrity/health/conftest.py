"""A kind of rule that only tests know, and rules of it: rows of a table that meet a condition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import pytest

from integrity.checks.base import BUSINESS, Condition, Held, Moment, Question, Severity
from integrity.health import looking
from integrity.rules import base
from integrity.rules.base import Member, RuleKind, Spec, Unfit
from tests.lifecycle.conftest import any_shop as any_shop
from tests.lifecycle.conftest import postgres_shop as postgres_shop
from tests.lifecycle.conftest import sqlite_shop as sqlite_shop


class Bare(RuleKind):
    name: ClassVar[str] = "bare"
    label: ClassVar[str] = "Rows that should not be there"
    members: ClassVar[tuple[Member, ...]] = ()

    def checked(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        return dict(spec)

    def sentence(self, spec: Mapping[str, Any]) -> str:
        return f"no row of {spec['table']} has {spec['where']}"

    def questions(self, rule: Spec, moment: Moment) -> Iterator[Question]:
        table = next((name for name in moment.structure.relations if name.endswith(str(rule.spec["table"]))), "")
        if not table:
            raise Unfit(f"There is no table {rule.spec['table']}.")
        yield Question(
            check=rule.check,
            subject=table,
            title=rule.name,
            severity=rule.severity,
            category=rule.category,
            condition=Condition(table=table, where=str(rule.spec["where"]), people=bool(rule.spec.get("people"))),
            told=lambda answer: Held(check=rule.check, subject=table, sentence="It holds."),
        )


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_REGISTRY", {**base._REGISTRY, "bare": Bare()})


def rule(health: str, table: str, where: str, *, severity: str = "critical", threshold: int = 0, **more: Any) -> Spec:
    """A rule of that kind, marked as health under this name."""
    return Spec(
        name=health.lower(),
        kind="bare",
        spec={"table": table, "where": where, **more},
        severity=Severity(severity),
        category=BUSINESS,
        threshold=threshold,
        health=health,
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`asked(rule, ...)`: these are the rules that looks at any database ask."""
    return lambda *rules: monkeypatch.setattr(looking, "rules_of", lambda database: list(rules))
