"""The sidebar: the same for everybody, less what their roles do not open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from opsconsole import approvals
from opsconsole.models import Role
from opsconsole.pages.base import account_of, rights_of
from opsconsole.permissions import visible_operations
from opsconsole.states import State


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of the sidebar. `action` is what an account must be able to do somewhere to see it."""

    title: str
    icon: str
    link: str
    action: str = "see"


INBOX = "/approvals/"
MOST = 100  # requests that are looked at for the badge
WORK = (
    Item(title="Dashboard", icon="space_dashboard", link="/"),
    Item(title="Approvals", icon="how_to_vote", link=INBOX),
    Item(title="Operations", icon="list_alt", link="/operations/"),
    Item(title="Databases", icon="database", link="/databases/"),
    Item(title="Schedules", icon="schedule", link="/schedules/"),
    Item(title="Packs", icon="inventory_2", link="/packs/"),
)
TRUST = (
    Item(title="Audit history", icon="history_edu", link="/audit/", action="audit"),
    Item(title="Policies", icon="policy", link="/policies/"),
    Item(title="People", icon="group", link="/people/"),
    Item(title="Environments", icon="layers", link="/environments/"),
    Item(title="This console", icon="monitor_heart", link="/system/"),
    Item(title="All rows", icon="table_rows", link="/admin/"),
    Item(title="My tokens", icon="key", link="/tokens/"),
)
_ADDED: list[Item] = []


def register_item(item: Item) -> None:
    """Add a line below the kernel's own places of work. Raises TypeError when its address has one already."""
    if any(item.link == known.link for known in (*WORK, *_ADDED, *TRUST)):
        raise TypeError(f"the sidebar has a line for {item.link} already")
    _ADDED.append(item)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """What unfold draws."""
    rights = rights_of(request)
    waiting = _waiting_for(request)
    return [
        {
            "title": title,
            "separator": bool(title),
            "items": [_line(i, request, waiting) for i in items if rights.can(i.action)],
        }
        for title, items in (("", (*WORK, *_ADDED)), ("Rules and records", TRUST))
    ]


def _line(item: Item, request: HttpRequest, waiting: str) -> dict[str, Any]:
    here = request.path == item.link if item.link == "/" else request.path.startswith(item.link)
    line: dict[str, Any] = {"title": item.title, "icon": item.icon, "link": item.link, "active": here}
    if item.link == INBOX and waiting:
        line |= {"badge": waiting, "badge_variant": "warning"}
    return line


def _waiting_for(request: HttpRequest) -> str:
    """How many requests ask for a role that this person holds; `100+` where so many were looked at; empty for none."""
    rights, person = rights_of(request), account_of(request).person_id
    if not rights.roles & {Role.APPROVER, Role.ADMINISTRATOR}:
        return ""
    rows = visible_operations(account_of(request)).filter(state=State.PENDING_APPROVAL)
    others = rows.exclude(requester_person_id=person).exclude(votes__person_id=person)
    asked = list(others.values_list("requirement", flat=True)[: MOST + 1])
    found = sum(approvals.is_asked(rights.named, requirement) for requirement in asked[:MOST])
    return f"{found}+" if len(asked) > MOST else str(found or "")
