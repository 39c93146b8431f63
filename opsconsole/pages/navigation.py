"""The sidebar: the same for everybody, less what their roles do not open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from opsconsole.pages.base import rights_of


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of the sidebar. `action` is what an account must be able to do somewhere to see it."""

    title: str
    icon: str
    link: str
    action: str = "see"


WORK = (
    Item(title="Dashboard", icon="space_dashboard", link="/"),
    Item(title="Approvals", icon="how_to_vote", link="/approvals/"),
    Item(title="Operations", icon="list_alt", link="/operations/"),
    Item(title="Databases", icon="database", link="/databases/"),
)
TRUST = (
    Item(title="Audit history", icon="history_edu", link="/audit/", action="audit"),
    Item(title="Policies", icon="policy", link="/policies/"),
    Item(title="People", icon="group", link="/people/"),
    Item(title="Environments", icon="layers", link="/environments/"),
    Item(title="My tokens", icon="key", link="/tokens/"),
)
GROUPS = (("", WORK), ("Rules and records", TRUST))


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """What unfold draws."""
    rights = rights_of(request)
    return [
        {"title": title, "separator": bool(title), "items": [_line(i, request) for i in items if rights.can(i.action)]}
        for title, items in GROUPS
    ]


def _line(item: Item, request: HttpRequest) -> dict[str, Any]:
    here = request.path == item.link if item.link == "/" else request.path.startswith(item.link)
    return {"title": item.title, "icon": item.icon, "link": item.link, "active": here}
