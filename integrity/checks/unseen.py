"""The finding that something could not be looked at, and what keeps a check from seeing every row."""

from __future__ import annotations

from collections.abc import Iterable

from integrity.checks.base import Check, Found, Moment, Severity


def unseen(check: str, title: str, category: str, severity: Severity, why: str, next_step: str) -> Found:
    """`title` could not be looked at: why, and what would help."""
    return Found(
        check=check,
        subject=f"{title} could not be looked at",
        severity=severity,
        category=category,
        sentence=f"{title} could not be looked at: {why}",
        why="What is not looked at may be wrong without anybody knowing.",
        next_step=next_step,
        failed=True,
    )


def hidden(moment: Moment, tables: Iterable[str]) -> str:
    """The first of these tables of which row security keeps rows from us; "" when there is none."""
    return next((table for table in tables if moment.structure.relations[table].hidden_rows), "")


def hidden_rows(check: Check, title: str, table: str) -> Found:
    """A finding that row security hides rows of a table: what is counted over the others would be wrong."""
    return unseen(
        check.name,
        title,
        check.category,
        check.severity,
        f"row security hides rows of {table} from the console's role, and what is not seen would pass for missing.",
        "Give the console's role BYPASSRLS, or policies that show it every row.",
    )
