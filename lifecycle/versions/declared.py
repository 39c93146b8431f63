"""The declared version of a database: what its people say its schema is, and the rules by which documents follow it.

What counts is what another person confirmed: the words of a row count only while they are those of its change's plan.
What a database says of itself (a table db_metadata) is only a hint, for it is often left behind by migrations.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from lifecycle.documents import known_rules
from lifecycle.documents.upgrades import Rules, rules_from
from lifecycle.models import DeclaredVersion
from opsconsole.clock import now
from opsconsole.engines.base import Engine
from opsconsole.exceptions import OperationFailed, OpsError, Usage
from opsconsole.models import Database, Operation
from opsconsole.states import State

ACTION = "version.declare"
HINT_TABLE = "db_metadata"
HINT_KEYS = ("db_version", "db_version_name")
NO_RULES = "none"
RULES = {"ignition": known_rules.IGNITION, "tasklets": known_rules.TASKLETS}


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a database is said to be. `version` is None where nobody says."""

    version: int | None = None
    name: str = ""
    rules: str = ""  # a key of RULES, or ""

    def read_rules(self) -> Rules:
        """The rules by which older documents follow it; none that change anything where none are chosen."""
        return rules_from(RULES[self.rules]) if self.rules else Rules()

    def __str__(self) -> str:
        version = "no version" if self.version is None else f"version {self.version}"
        return version + (f" ({self.name})" if self.name else "") + (f", rules of {self.rules}" if self.rules else "")


def of(database: Database) -> Declared:
    """What is declared of a database. Raises OperationFailed when that is not what was confirmed."""
    row = history(database).first()
    if row is None:
        return Declared()
    _require_confirmed(row)
    return Declared(version=row.version, name=row.version_name, rules=row.rules)


def history(database: Database) -> QuerySet[DeclaredVersion]:
    """Everything that was ever declared of it, newest first."""
    return DeclaredVersion.objects.filter(database=database).select_related("operation__requester__person")


def put(database: Database, declared: Declared, operation: Operation) -> None:
    """Carry out a confirmed change; what was declared before stays as history."""
    DeclaredVersion.objects.create(
        database=database,
        version=declared.version,
        version_name=declared.name,
        rules=declared.rules,
        operation=operation,
        set_at=now(),
    )


def rules_called(name: str) -> str:
    """The name of rules that there are; `none` and "" stand for none. Raises Usage."""
    if name in ("", NO_RULES):
        return ""
    if name not in RULES:
        raise Usage("bad_value", f"There are no rules called {name}.", f"Use one of: {', '.join(sorted(RULES))}, none.")
    return name


def hint(engine: Engine) -> str:
    """What the database says of itself, in words; "" where it says nothing, or cannot be asked."""
    try:
        found = next((table for table in engine.tables() if table.name == HINT_TABLE), None)
        page = engine.page(found.full_name, limit=200) if found else None
    except OpsError:
        return ""
    if page is None or not {"key", "value"} <= set(page.columns):
        return ""
    key, value = page.columns.index("key"), page.columns.index("value")
    told = {str(row[key]): str(row[value]) for row in page.rows if str(row[key]) in HINT_KEYS}
    return ", ".join(f"{name} {told[name][:100]}" for name in HINT_KEYS if name in told)


def _require_confirmed(row: DeclaredVersion) -> None:
    asked = row.operation.plan.parameters
    confirmed = tuple(asked.get(name) for name in ("action", "database", "version", "name", "rules"))
    told = (ACTION, row.database_id, row.version, row.version_name, row.rules)
    if row.operation.state != State.SUCCEEDED or confirmed != told:
        raise OperationFailed(
            "version_changed",
            f"The declared version of the database is not the one that was confirmed in operation {row.operation_id}.",
            "Look in the audit history for who changed it, then declare it again.",
        )
