"""What a migration or a rollback has done, on the page of its operation: file by file, with the rows that changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifecycle.models import MigrationRun
from opsconsole.models import Operation
from opsconsole.pages.panels import Panel, register_panel

Changed = list[tuple[str, int | None, int | None]]


def changed(run: MigrationRun) -> Changed:
    """The tables whose rows a run changed in number: (table, before, after)."""
    return [(table, before, after) for table, (before, after) in sorted(run.rows.items()) if before != after]


def done_by(operation: Operation) -> Mapping[str, Any] | None:
    """None while nothing was begun."""
    rows = MigrationRun.objects.filter(operation=operation).order_by("pk")
    runs = [(row, changed(row)) for row in rows]
    told = {name: operation.result.get(name) or [] for name in ("alerts", "not_done")}
    return {"runs": runs, **told} if runs else None


for _kind in ("migrate", "rollback"):
    register_panel(_kind, Panel(template="lifecycle/migrations/_done.html", content=done_by))
