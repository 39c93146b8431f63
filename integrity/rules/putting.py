"""Carrying out a confirmed change of rules: rows are added and replaced, never changed."""

from __future__ import annotations

from collections.abc import Iterable

from integrity.models import Rule
from integrity.rules.base import Spec
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.models import Database, Operation


def standing(database: Database, names: Iterable[str]) -> dict[str, int]:
    """The row in force of each of these names, 0 for none."""
    rows = Rule.objects.filter(database=database, replaced_by=None)
    found = dict(rows.values_list("name", "pk"))
    return {name: found.get(name, 0) for name in sorted(set(names))}


def remove(database: Database, name: str, operation: Operation) -> None:
    """What is replaced stays as history."""
    row = Rule.objects.filter(database=database, name=name, replaced_by=None).first()
    if row is None:
        return
    Rule.objects.filter(pk=row.pk).update(replaced_by=operation)
    told = {"rule": row.pk, "name": name}
    audit.record("rule.removed", operation=operation, database=database, subject=name, data=told)


def put(database: Database, rule: Spec, operation: Operation) -> None:
    """Set a rule, in place of the one of that name."""
    remove(database, rule.name, operation)
    row = Rule.objects.create(
        database=database, name=rule.name, kind=rule.kind, spec=dict(rule.spec), severity=rule.severity.value,
        category=rule.category, threshold=rule.threshold, owner=rule.owner, hint=rule.hint,
        fix=dict(rule.fix) if rule.fix is not None else None, health=rule.health, pack=rule.pack,
        off=rule.off, operation=operation, set_at=now(),
    )  # fmt: skip
    told = {
        "rule": row.pk, "name": rule.name, "kind": rule.kind, "severity": rule.severity.value,
        "threshold": rule.threshold, "off": rule.off,
    }  # fmt: skip
    audit.record("rule.set", operation=operation, database=database, subject=rule.name, data=told)
