"""Django's own check of the guards, for `manage.py check --database default` and after every migration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Warning
from django.db import connections

from opsconsole import triggers
from opsconsole.models import Operation


def check_guards(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """One warning (opsconsole.W001) for each guard that is missing, changed or unknown, once the tables are there."""
    if "default" not in (databases or ()) or not _is_migrated():
        return []
    hint = "Run manage.py migrate, which puts the guards back; then run manage.py audit verify."
    return [Warning(problem, hint=hint, id="opsconsole.W001") for problem in triggers.problems()]


def _is_migrated() -> bool:
    return Operation._meta.db_table in connections["default"].introspection.table_names()
