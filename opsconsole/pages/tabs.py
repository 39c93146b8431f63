"""The tabs of a database's page, as a table that apps add to: the kernel brings overview, data and history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from opsconsole.models import Database
from opsconsole.permissions import Rights


@dataclass(frozen=True, kw_only=True)
class Tab:
    """One tab. `content` reads what its template shows; it is called only for somebody who may do `action` there."""

    name: str  # the last piece of /databases/NAME/TAB/
    label: str
    icon: str  # a Material Symbols name
    order: int
    template: str
    content: Callable[[HttpRequest, Database], Mapping[str, Any]]
    action: str = "see"  # a key of permissions.ACTIONS


_REGISTRY: dict[str, Tab] = {}


def register_tab(tab: Tab) -> None:
    """Add a tab. Raises TypeError for a duplicate or something that is no tab."""
    if not isinstance(tab, Tab):
        raise TypeError(f"{tab!r} is not a Tab")
    if tab.name in _REGISTRY:
        raise TypeError(f"the tab {tab.name} is registered twice")
    _REGISTRY[tab.name] = tab


def tabs_for(rights: Rights, database: Database) -> list[Tab]:
    """The tabs that somebody with these rights may open, in order."""
    ordered = sorted(_REGISTRY.values(), key=lambda tab: (tab.order, tab.name))
    return [tab for tab in ordered if rights.can(tab.action, database)]


def find_tab(name: str) -> Tab | None:
    return _REGISTRY.get(name)
