"""What migrations have done, on the page of its operation: file by file, with the rows that changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.models import MigrationRun
from opsconsole.models import Operation
from opsconsole.pages.panels import Panel, register_panel


@dataclass(frozen=True)
class Shown:
    """A run as it is shown. Of several in one transaction only the `first` tells of the schema."""

    run: MigrationRun
    first: bool

    @property
    def rows(self) -> list[tuple[str, int | None, int | None]]:
        """The tables whose rows changed in number: (table, before, after)."""
        return [(table, before, after) for table, (before, after) in sorted(self.run.rows.items()) if before != after]

    @property
    def changes(self) -> list[dict[str, str]]:
        return self.run.changes if self.first else []

    @property
    def more(self) -> int:
        """Changes of the schema that are not kept."""
        return self.run.changed - len(self.run.changes)


def shown(rows: Iterable[MigrationRun]) -> list[Shown]:
    """In the order in which they are given."""
    seen, found = set(), []
    for row in rows:
        unit = (row.operation_id, row.began_at)
        found.append(Shown(row, unit not in seen))
        seen.add(unit)
    return found


def done_by(operation: Operation) -> Mapping[str, Any] | None:
    """None while nothing was begun."""
    rows = MigrationRun.objects.filter(operation=operation).order_by("pk")
    runs = shown(rows)
    told = {name: operation.result.get(name) or [] for name in ("alerts", "not_done")}
    return {"runs": runs, **told} if runs else None


for _kind in ("migrate", "rollback", "resolve"):
    register_panel(_kind, Panel(template="lifecycle/migrations/_done.html", content=done_by))
