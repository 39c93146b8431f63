"""What an app shows on the page of an operation of its kinds: what was found, or evidence for whoever decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opsconsole.models import Operation


@dataclass(frozen=True, kw_only=True)
class Panel:
    """`content` gives what `template` shows as `told`, None where there is nothing to show.

    Evidence stands below the plan, everything else above it, and comes with the end of the run. `sql` is the name of
    the section that shows the SQL of the plan's steps, for which they then need not.
    """

    template: str
    content: Callable[[Operation], Any]
    evidence: bool = False
    sql: str = ""


_PANELS: dict[str, list[Panel]] = {}


def register_panel(kind: str, panel: Panel) -> None:
    """Add a panel to the pages of operations of a kind."""
    _PANELS.setdefault(kind, []).append(panel)


def panels_of(operation: Operation, *, moving: bool = False) -> list[Mapping[str, Any]]:
    """`template`, `told`, `evidence` and `sql` of each panel that has something to show; of those that move, or all."""
    asked = [panel for panel in _PANELS.get(operation.kind, ()) if not (moving and panel.evidence)]
    told = ((panel, panel.content(operation)) for panel in asked)
    return [
        {"template": panel.template, "told": content, "evidence": panel.evidence, "sql": panel.sql}
        for panel, content in told
        if content is not None
    ]
