"""The page of one patch: the rows that a restore took away, until when, and what can be done with them."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.debug import sensitive_post_parameters

from lifecycle.backups import archives
from lifecycle.models import Patch
from lifecycle.pages import handing_out
from lifecycle.restores import offers
from opsconsole.exceptions import OpsError
from opsconsole.models import Account
from opsconsole.pages.base import Scope, page, register_scope, rights_of, show
from opsconsole.pages.tabs import header
from opsconsole.permissions import visible_databases


def _find(account: Account, arguments: dict[str, Any]) -> Patch:
    rows = Patch.objects.filter(database__in=visible_databases(account)).select_related(
        "database__environment", "database__owner_group", "operation__requester__person"
    )
    found = rows.filter(pk=arguments.pop("pk")).first()
    if found is None:
        raise Http404("There is no patch of that number that you may see.")
    return found


register_scope(Scope(name="patch", find=_find, subject=lambda patch: patch.database))


@page("patches/<int:pk>/", name="patch", permission="see", scope="patch")
def patch_page(request: HttpRequest, patch: Patch) -> HttpResponse:
    """What it holds, until when, and what can be done with it."""
    above, rights = header(request, patch.database), rights_of(request)
    name = patch.database.name
    context: dict[str, Any] = {
        "title": f"{'Rows that did not fit' if patch.holds == Patch.Holds.REJECTED else 'Patch'} {patch.pk} of {name}",
        "crumb": f"Patch {patch.pk}",
        "crumbs": [
            ("Databases", "/databases/"),
            (name, patch.database.get_absolute_url()),
            ("Backups", f"/databases/{name}/backups/"),
        ],
        "database": patch.database,
        "frame": above["frame"],
        "patch": patch,
        "is_kept": patch.state == Patch.State.KEPT,
        "held": offers.held(patch),
        "tables": sorted(patch.tables.items(), key=lambda each: (-each[1], each[0])),
        "can_reapply": rights.can("request", patch.database) and patch.rows and patch.holds == Patch.Holds.LOST,
        **handing_out.card(request, patch),
        **_contents(patch),
    }
    return show(request, "lifecycle/patch.html", **context)


@page(
    "patches/<int:pk>/ask-download/", name="patch-ask-download", permission="download", scope="patch", methods=("POST",)
)
def ask_download(request: HttpRequest, patch: Patch) -> HttpResponse:
    """The same rules as for a backup of that database."""
    return handing_out.ask_first(request, patch)


@page("patches/<int:pk>/download/", name="patch-download", permission="download", scope="patch", methods=("POST",))
@sensitive_post_parameters("password")
def download(request: HttpRequest, patch: Patch) -> HttpResponseBase:
    """The same rules as for a backup of that database."""
    return handing_out.hand_out(request, patch)


def _contents(patch: Patch) -> dict[str, Any]:
    """The manifest of a patch that is kept; when it cannot be read, why."""
    if patch.state != Patch.State.KEPT:
        return {}
    try:
        manifest = archives.manifest_of(patch)
    except OpsError as error:
        return {"manifest_error": error}
    return {"manifest": manifest, "objects": manifest.contents.objects}
