"""What the console's own database refuses about rules and reports, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator

from integrity.models import Finding, Report, Rule
from opsconsole.triggers.building import (
    AS_A_REQUEST,
    NOT_BY_HAND,
    append_only,
    confirmed,
    differs,
    guard_on,
    keys_of,
    not_replaced,
)
from opsconsole.triggers.guards import Guard

SAID = (
    "database_id", "name", "kind", "spec", "severity", "category", "threshold", "owner", "hint", "fix", "health",
    "pack", "off", "operation_id", "set_at",
)  # fmt: skip


def every() -> Iterator[Guard]:
    """The guards of this app's tables."""
    for model in (Report, Finding):
        yield from append_only(model)
        yield not_replaced(model, keys_of(model))
    what = "What is asked of a database is guarded"
    yield _confirmed("INSERT", "NEW.operation_id", what)
    yield _confirmed("UPDATE", "NEW.replaced_by_id", what)
    yield guard_on(
        Rule, "UPDATE", "said", f"({differs(SAID)}) OR OLD.replaced_by_id IS NOT NULL", "sealed",
        "A rule is replaced once, and otherwise stays as it was confirmed.", "Ask for another rule of that name.",
    )  # fmt: skip
    yield from append_only(Rule, ("DELETE", "TRUNCATE"))
    yield not_replaced(Rule, [["id"]])


def _confirmed(event: str, column: str, what: str) -> Guard:
    return guard_on(
        Rule, event, "confirmed", f"NOT ({confirmed(column)})", "not_confirmed", f"{what}: {AS_A_REQUEST}.", NOT_BY_HAND
    )
