"""The tabs of a database's page, as a table that apps add to: the kernel brings overview, data and history.

Each tab is a page of its own (`/databases/NAME/TAB/`, the overview at `/databases/NAME/`) with its own permission.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse

from opsconsole import kinds
from opsconsole.databases import same_target, strictest
from opsconsole.models import Database, Environment
from opsconsole.pages.base import page, rights_of, show
from opsconsole.permissions import Rights

OVERVIEW = "overview"


@dataclass(frozen=True, kw_only=True)
class Tab:
    """One tab. `content` reads what its template shows; it is called only for somebody who may do `action` there."""

    name: str  # the last piece of its address; no other page of a database may have it
    label: str
    icon: str  # a Material Symbols name
    order: int
    template: str
    content: Callable[[HttpRequest, Database], Mapping[str, Any]]
    action: str = "see"  # a key of permissions.ACTIONS

    @property
    def url_name(self) -> str:
        return "database" if self.name == OVERVIEW else f"database-{self.name}"


_REGISTRY: dict[str, Tab] = {}


def register_tab(tab: Tab) -> None:
    """Add a tab and declare its page. Raises TypeError for a duplicate or something that is no tab."""
    if not isinstance(tab, Tab):
        raise TypeError(f"{tab!r} is not a Tab")
    if tab.name in _REGISTRY:
        raise TypeError(f"the tab {tab.name} is registered twice")
    _REGISTRY[tab.name] = tab
    route = "databases/<slug:name>/" if tab.name == OVERVIEW else f"databases/<slug:name>/{tab.name}/"

    @page(route, name=tab.url_name, permission=tab.action, scope="database")
    def tab_page(request: HttpRequest, database: Database) -> HttpResponse:
        return show_tab(request, database, tab)


def show_tab(request: HttpRequest, database: Database, tab: Tab, **more: Any) -> HttpResponse:
    """A database's page with one tab open."""
    context = {**header(request, database), **_named(tab, database), **tab.content(request, database), **more}
    return show(request, tab.template, tab=tab, **context)


def _named(tab: Tab, database: Database) -> dict[str, Any]:
    """What a tab is called in the browser's title and in the crumbs; the overview is the database's own page."""
    if tab.name == OVERVIEW:
        return {}
    crumbs = [("Databases", "/databases/"), (database.name, database.get_absolute_url())]
    return {"title": f"{tab.label} of {database.name}", "crumb": tab.label, "crumbs": crumbs}


def frame_of(request: HttpRequest, database: Database) -> Environment:
    """The environment that counts for the database of a page, looked up once a request."""
    found: dict[int, Environment] = request.__dict__.setdefault("_frames", {})
    if database.pk not in found:
        found[database.pk] = strictest(database)
    return found[database.pk]


def header(request: HttpRequest, database: Database) -> dict[str, Any]:
    """What stands above every page of a database: what it is, its frame, its tabs and what may be asked of it."""
    rights = rights_of(request)
    return {
        "title": database.name,
        "crumbs": [("Databases", "/databases/")],
        "database": database,
        "frame": frame_of(request, database),
        "others": [other for other in same_target(database.identity) if other.pk != database.pk],
        "tabs": tabs_for(rights, database),
        "verbs": [(kind, words) for kind in verbs_for(rights, database) if (words := kind.button(database))],
        "may_request": rights.can("request", database),
        "may_administer": rights.can("administer", database),
    }


def tabs_for(rights: Rights, database: Database) -> list[Tab]:
    """The tabs that somebody with these rights may open, in order."""
    ordered = sorted(_REGISTRY.values(), key=lambda tab: (tab.order, tab.name))
    return [tab for tab in ordered if rights.can(tab.action, database)]


def find_tab(name: str) -> Tab:
    """The tab of that name. Raises KeyError."""
    return _REGISTRY[name]


def verbs_for(rights: Rights, database: Database) -> list[kinds.Kind]:
    """The kinds of operation that somebody with these rights may ask for here, harmless ones first."""
    return kinds_on(database) if rights.can("request", database) else []


def kinds_on(database: Database) -> list[kinds.Kind]:
    """The kinds of operation that work on its engine, harmless ones first."""
    fitting = [kind for kind in kinds.every() if database.engine in kind.engines]
    return sorted(fitting, key=lambda kind: (kind.mutates, kind.name))
