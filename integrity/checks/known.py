"""The explicit table of checks."""

from __future__ import annotations

from integrity.checks.base import Check
from integrity.checks.keys import MissingPrimaryKey

CHECKS: tuple[Check, ...] = (MissingPrimaryKey(),)


def check_named(name: str) -> Check | None:
    """The check of that name."""
    return next((check for check in CHECKS if check.name == name), None)
