"""Packs: what each holds, which databases have it, and asking for one to be loaded."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from opsconsole import packs
from opsconsole.databases import strictest
from opsconsole.exceptions import Usage
from opsconsole.models import Database
from opsconsole.packs import Loaded, Pack, loading
from opsconsole.pages.asking import said, tell
from opsconsole.pages.base import account_of, page, rights_of, show
from opsconsole.permissions import visible_databases

CRUMB = ("Packs", "/packs/")


@page("packs/", name="packs", permission="see")
def pack_list(request: HttpRequest) -> HttpResponse:
    """Every pack with what it holds, and the databases that have it."""
    databases = _seen(request)
    loaded = loading.loaded_in(databases)
    told = [(pack, packs.contents(pack), _where(pack, databases, loaded)) for pack in packs.every()]
    return show(request, "console/packs/list.html", title="Packs", crumbs=[], told=told)


@page("packs/<slug:pack>/", name="pack", permission="see")
def pack_page(request: HttpRequest, pack: str) -> HttpResponse:
    """All that one pack holds, where it is, and where it could go."""
    found, databases = _pack(pack), _seen(request)
    rights = rights_of(request)
    fitting = [row for row in databases if row.engine in found.engines and rights.can("request", row)]
    return show(
        request,
        "console/packs/pack.html",
        title=found.title,
        crumb=found.name,
        crumbs=[CRUMB],
        pack=found,
        held=packs.contents(found),
        where=_where(found, databases, loading.loaded_in(databases)),
        fitting=fitting,
    )


@page("packs/<slug:pack>/choose/", name="pack-choose", permission="request")
def choose(request: HttpRequest, pack: str) -> HttpResponse:
    """From the list of databases to the page of one of them."""
    found = next((row for row in _seen(request) if row.name == request.GET.get("database")), None)
    if found is None:
        raise Usage("unknown_database", "No database was chosen.", "Choose one, then go on.")
    return redirect("pack-load", name=found.name, pack=_pack(pack).name)


@page(
    "databases/<slug:name>/packs/<slug:pack>/", name="pack-load", permission="request", scope="database",
    methods=("GET", "POST"), act="loading a pack",
)  # fmt: skip
def load(request: HttpRequest, database: Database, pack: str) -> HttpResponse:
    """What loading would change there, and asking for it."""
    found, over_edits = _pack(pack), (request.POST or request.GET).get("over_edits") == "yes"
    if request.method == "POST":
        asked = loading.load(
            found, database, account=account_of(request), reason=said(request, "reason"), over_edits=over_edits
        )  # fmt: skip
        tell(request, asked)
        return redirect("operation", pk=asked.pk)
    return show(
        request,
        "console/packs/load.html",
        title=f"Load {found.title} into {database.name}",
        crumb=database.name,
        crumbs=[CRUMB, (found.title, f"/packs/{found.name}/")],
        frame=strictest(database),
        pack=found,
        database=database,
        over_edits=over_edits,
        seen=loading.outlook(found, database, over_edits=over_edits),
    )


def _pack(name: str) -> Pack:
    try:
        return packs.get(name)
    except Usage as error:
        raise Http404(error.why) from None


def _seen(request: HttpRequest) -> list[Database]:
    rows = visible_databases(account_of(request)).filter(removed_at=None)
    return list(rows.select_related("environment").order_by("name"))


def _where(
    pack: Pack, databases: list[Database], loaded: Mapping[int, tuple[Loaded, ...]]
) -> list[tuple[Database, Loaded]]:
    return [(row, each) for row in databases for each in loaded.get(row.pk, ()) if each.pack == pack.name]
