"""The rules of a database that count: those whose words are the ones that were confirmed, and which of them are off."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from integrity.checks.base import RULE, Severity
from integrity.models import Rule
from integrity.rules.base import Spec
from integrity.rules.kinds.altered import Altered
from integrity.rules.requested import as_json
from opsconsole.models import Database, Operation
from opsconsole.states import State

ACTION = "integrity.rules"  # the change that sets and removes rules


def rules_of(database: Database) -> list[Spec]:
    """By name, those that are off among them. One whose words nobody confirmed is always broken, on, and critical."""
    confirmed: dict[int, dict[str, Any]] = {}
    rows = Rule.objects.filter(database=database, replaced_by=None).select_related("operation")
    return [_believed(row, confirmed) for row in rows]


def asked_of(database: Database) -> list[Spec]:
    """Those that are on."""
    return [rule for rule in rules_of(database) if not rule.off]


def switched_off(database: Database, rules: Iterable[Spec]) -> dict[str, int]:
    """The check of each of these rules that is off, with the change that set it so (0 for one that is gone by now)."""
    off = sorted(rule.name for rule in rules if rule.off)
    rows = Rule.objects.filter(database=database, replaced_by=None, name__in=off) if off else Rule.objects.none()
    by = dict(rows.values_list("name", "operation_id"))
    return {f"{RULE}{name}": by.get(name, 0) for name in off}


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
        off=row.off,
    )


def _believed(row: Rule, known: dict[int, dict[str, Any]]) -> Spec:
    if row.operation_id not in known:
        known[row.operation_id] = _confirmed_in(row.operation, row.database_id)
    if row.severity in list(Severity) and as_json(spec_of(row)) == known[row.operation_id].get(row.name):
        return spec_of(row)
    return Spec(
        name=row.name,
        kind=Altered.name,
        spec={"operation": row.operation_id},
        severity=Severity.CRITICAL,
        category=row.category,
        health=row.health,
    )


def _confirmed_in(operation: Operation, database: int) -> dict[str, Any]:
    """The rules that a change set, by name; none when it is no such change of this database, or did not succeed."""
    asked = operation.plan.parameters
    if operation.state != State.SUCCEEDED:
        return {}
    if asked.get("action") != ACTION or asked.get("database") != database:
        return {}
    return {rule["name"]: rule for rule in asked["rules"]}
