"""The rules of a database that count: those whose words are the ones that were confirmed."""

from __future__ import annotations

from collections.abc import Iterable

from integrity.checks.base import Severity
from integrity.models import Rule
from integrity.rules.base import Spec
from opsconsole.models import Database


def rules_of(database: Database) -> list[Spec]:
    """By name."""
    return [spec_of(row) for row in Rule.objects.filter(database=database, replaced_by=None)]


def references_of(rules: Iterable[Spec]) -> frozenset[tuple[str, str]]:
    """(table, column) of the references that rules look after, in lower case, tables as people write them."""
    return frozenset(
        (str(rule.spec["child"]).replace('"', "").lower(), str(rule.spec["column"]).lower())
        for rule in rules
        if rule.kind == "orphan"
    )


def spec_of(row: Rule) -> Spec:
    """A row as a value."""
    return Spec(
        name=row.name,
        kind=row.kind,
        spec=row.spec,
        severity=Severity(row.severity),
        category=row.category,
        threshold=row.threshold,
        owner=row.owner,
        hint=row.hint,
        fix=row.fix,
        health=row.health,
        pack=row.pack,
    )
