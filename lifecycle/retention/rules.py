"""Which rule a database has: that of its own scope, of its environment, of the console, or the usual one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lifecycle.models import RetentionRule
from lifecycle.retention.rule import COUNTS, USUAL, Rule
from opsconsole.clock import now
from opsconsole.models import Database, Environment

DEFAULT = "default"
ENVIRONMENT, DATABASE = "environment/", "database/"


@dataclass(frozen=True, kw_only=True)
class Scoped:
    """The rule of one scope. `version` is 0 for the usual one, which nobody has set."""

    scope: str
    rule: Rule
    version: int = 0


def rule_of(row: RetentionRule) -> Rule:
    """A row as a value."""
    counts = {name: getattr(row, name) for name in COUNTS}
    return Rule(
        **counts, time_zone=row.time_zone, keeps_all=row.keeps_all, move_days=row.move_days, move_to=row.move_to
    )


def in_force(at: datetime | None = None) -> dict[str, Scoped]:
    """By scope, the newest version that is in effect; scopes whose rule was taken away are left out."""
    newest: dict[str, RetentionRule] = {}
    for row in RetentionRule.objects.filter(effective_at__lte=at or now()).order_by("version"):
        newest[row.scope] = row
    found = {DEFAULT: Scoped(scope=DEFAULT, rule=USUAL)}
    for scope, row in sorted(newest.items()):
        if row.enabled:
            found[scope] = Scoped(scope=scope, rule=rule_of(row), version=row.version)
    return found


def scopes_of(database: Database) -> tuple[str, ...]:
    """The scopes that a database is in, the narrowest first."""
    return f"{DATABASE}{database.name}", f"{ENVIRONMENT}{database.environment.name}", DEFAULT


def scoped_for(database: Database, rules: dict[str, Scoped] | None = None) -> Scoped:
    """The rule of the narrowest scope that has one."""
    known = in_force() if rules is None else rules
    return next(known[scope] for scope in scopes_of(database) if scope in known)


def rule_for(database: Database, rules: dict[str, Scoped] | None = None) -> Rule:
    """The same, as a value only."""
    return scoped_for(database, rules).rule


def newest_of(scope: str) -> RetentionRule | None:
    """The newest version of a scope's rule, in effect or not."""
    return RetentionRule.objects.filter(scope=scope).order_by("-version").first()


def databases_in(scope: str) -> list[Database]:
    """The managed databases whose rule a rule of that scope would be."""
    known = in_force()
    rows = Database.objects.filter(removed_at=None).select_related("environment", "owner_group").order_by("name")
    narrower = {DEFAULT: (DATABASE, ENVIRONMENT)}.get(scope, (DATABASE,) if scope.startswith(ENVIRONMENT) else ())
    found = []
    for row in rows:
        mine = scopes_of(row)
        if scope in mine and not any(each in known for each in mine if each.startswith(narrower)):
            found.append(row)
    return found


def where(scope: str) -> str:
    """A scope in words, as a sentence begins."""
    noun, _, name = scope.partition("/")
    if noun == "environment":
        label = Environment.objects.filter(name=name).values_list("label", flat=True).first()
        return f"In {label or name}"
    return f"Of {name}" if name else "Where nothing else is set"
