"""Panels of the dashboard, as a table that apps add to. The kernel brings its own and knows none of theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from opsconsole.models import Database


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One card below the databases. `content` reads what its template shows, for the databases that the reader may see;
    None leaves the panel out. It makes as many queries for a hundred databases as for one."""

    name: str
    title: str
    order: int
    template: str
    content: Callable[[HttpRequest, Sequence[Database]], Mapping[str, Any] | None]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a chart: its label, its parts as (colour of console.css, amount), and the same in words."""

    label: str
    parts: tuple[tuple[str, int], ...]
    words: str
    link: str = ""

    @property
    def height(self) -> int:
        return sum(amount for _, amount in self.parts)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One rectangle of a drawn chart, 8 wide."""

    x: int
    y: float
    height: float
    colour: str
    column: Column


FRAME = 12  # columns that the frame of a chart has room for at least


@dataclass(frozen=True)
class Chart:
    """Columns beside each other; the highest fills the frame. The words are what screen readers and no-script get."""

    title: str
    columns: tuple[Column, ...]

    @property
    def last_label(self) -> str:
        return self.columns[-1].label if self.columns else ""

    @property
    def width(self) -> int:
        """Of the drawing, ten a column; its height is 100."""
        return 10 * max(len(self.columns), FRAME)

    @property
    def fills(self) -> bool:
        """Whether its last column stands at the right edge."""
        return len(self.columns) >= FRAME

    def bars(self) -> list[Bar]:
        """The parts of all columns, each as a rectangle."""
        most = max((column.height for column in self.columns), default=0) or 1
        drawn = []
        for place, column in enumerate(self.columns):
            top = 100.0
            for colour, amount in column.parts:
                height = round(amount * 100 / most, 2)
                top = round(top - height, 2)
                drawn.append(Bar(x=place * 10 + 1, y=top, height=height, colour=colour, column=column))
        return drawn


_REGISTRY: dict[str, Panel] = {}


def register_panel(panel: Panel) -> None:
    """Add a panel. Raises TypeError for a duplicate or something that is no panel."""
    if not isinstance(panel, Panel):
        raise TypeError(f"{panel!r} is not a Panel")
    if panel.name in _REGISTRY:
        raise TypeError(f"the panel {panel.name} is registered twice")
    _REGISTRY[panel.name] = panel


def panels() -> list[Panel]:
    """All panels in order."""
    return sorted(_REGISTRY.values(), key=lambda panel: (panel.order, panel.name))
