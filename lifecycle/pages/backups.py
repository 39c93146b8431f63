"""The backups of a database as a tab of its page, and the page of one backup: restore, verify, download."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.debug import sensitive_post_parameters

from lifecycle.backups import archives
from lifecycle.backups.manifest import Manifest
from lifecycle.encryption import recipients
from lifecycle.models import Backup, KeptCopy
from lifecycle.pages import handing_out
from lifecycle.patches import listing
from lifecycle.proving import drills, verdicts
from lifecycle.proving.shields import restores_of, shields_of
from lifecycle.restores import kept, offers
from lifecycle.retention import keeping
from opsconsole import kinds, stores
from opsconsole.exceptions import OpsError
from opsconsole.models import Account, Database
from opsconsole.pages.asking import ask, said
from opsconsole.pages.base import Scope, page, register_scope, rights_of, show
from opsconsole.pages.tabs import Tab, frame_of, header, register_tab
from opsconsole.permissions import visible_databases
from opsconsole.row_numbers import row_number

BACKUPS_A_PAGE = 30
BACKUP = "backup"  # the scope of a backup's pages


def backups_tab(request: HttpRequest, database: Database) -> Mapping[str, Any]:
    """The newest backups, what stands beside the live database after a swap, and the page that follows."""
    rows = Backup.objects.filter(database=database).select_related("operation__requester__person", "pinned_by__person")
    before, with_deleted = row_number(request.GET.get("before", "")), request.GET.get("deleted") == "yes"
    rows = rows if with_deleted else rows.exclude(state=Backup.State.EXPIRED)
    if before:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-pk")[: BACKUPS_A_PAGE + 1])
    shown = found[:BACKUPS_A_PAGE]
    largest = max((backup.stored_bytes for backup in shown), default=0) or 1
    restores, decided = restores_of(shown), keeping.decisions_on(database, shown)
    return {
        "backups": [
            (
                backup,
                shields_of(backup, restores.get(backup.pk)),
                round(backup.stored_bytes * 100 / largest),
                decided.get(backup.pk),
            )
            for backup in shown
        ],
        "deleted_shown": with_deleted,
        "older": shown[-1].pk if len(found) > BACKUPS_A_PAGE else None,
        "kept": [
            (row, offers.of_copy(row), offers.act(row))
            for row in kept.copies_of(database).filter(state=KeptCopy.State.KEPT)[:BACKUPS_A_PAGE]
        ],
        "patches": [(row, offers.held(row)) for row in listing.of_database(database)[:BACKUPS_A_PAGE]],
        "hours": settings.OLD_DATABASE_HOURS,
        "readers": recipients.listed(frame_of(request, database)),
        "can_download": rights_of(request).can("download", database),
        "can_reapply": rights_of(request).can("request", database) and _has_kind("reapply"),
        "can_restore": rights_of(request).can("request", database) and _has_kind("restore"),
        "can_undo": rights_of(request).can("request", database) and _has_kind("undo"),
        "can_verify": rights_of(request).can("request", database),
    }


def _find(account: Account, arguments: dict[str, Any]) -> Backup:
    rows = Backup.objects.filter(database__in=visible_databases(account)).select_related(
        "database__environment", "database__owner_group", "operation__requester__person", "pinned_by__person"
    )
    found = rows.filter(pk=arguments.pop("pk")).first()
    if found is None:
        raise Http404("There is no backup of that number that you may see.")
    return found


register_scope(Scope(name=BACKUP, find=_find, subject=lambda backup: backup.database))


@page("backups/<int:pk>/", name="backup", permission="see", scope=BACKUP)
def backup_page(request: HttpRequest, backup: Backup) -> HttpResponse:
    """What it holds, what is proven of it, what changed since the one before, where it lies and why it is kept."""
    rights = rights_of(request)
    previous = archives.previous_of(backup)
    context: dict[str, Any] = {
        "title": f"Backup {backup.id} of {backup.database.name}",
        "crumb": f"Backup {backup.id}",
        "crumbs": [
            ("Databases", "/databases/"),
            (backup.database.name, backup.database.get_absolute_url()),
            ("Backups", f"/databases/{backup.database.name}/backups/"),
        ],
        "backup": backup,
        "previous": previous,
        "shields": shields_of(backup, restores_of([backup]).get(backup.pk)),
        "checks": [{**check, "at": datetime.fromisoformat(check["at"])} for check in reversed(backup.checks)],
        "measured": drills.measured_for(backup),
        "can_request": rights.can("request", backup.database),
        "can_restore": rights.can("request", backup.database) and backup.is_present and _has_kind("restore"),
        "copies": (copies := list(backup.copies.all())),
        "elsewhere": sorted(set(stores.writable_names()) - {copy.store for copy in copies}),
        **handing_out.card(request, backup),
        **keeping.card(request, backup),
        "used_by": _restored_by(backup),
    }
    return show(
        request, "lifecycle/backup.html", **header_of(request, backup), **context, **_contents(backup, previous)
    )


@page("backups/<int:pk>/trust/", name="backup-trust", permission="request", scope=BACKUP, methods=("POST",))
def trust_backup(request: HttpRequest, backup: Backup) -> HttpResponse:
    """Another person agrees before a backup that was found damaged counts as good again."""
    return ask(request, verdicts.TRUST, {"backup": backup.id}, reason=said(request, "reason"))


@page(
    "backups/<int:pk>/ask-download/",
    name="backup-ask-download",
    permission="download",
    scope=BACKUP,
    methods=("POST",),
)
def ask_download(request: HttpRequest, backup: Backup) -> HttpResponse:
    """On a protected database, another person agrees before a copy of its data leaves the console."""
    return handing_out.ask_first(request, backup)


@page("backups/<int:pk>/download/", name="backup-download", permission="download", scope=BACKUP, methods=("POST",))
@sensitive_post_parameters("password")
def download(request: HttpRequest, backup: Backup) -> HttpResponseBase:
    """The backup as a tar, once the password was asked; recorded before the first byte leaves."""
    return handing_out.hand_out(request, backup)


def header_of(request: HttpRequest, backup: Backup) -> dict[str, Any]:
    """The frame of the database that the backup is of."""
    above = header(request, backup.database)
    return {name: above[name] for name in ("database", "frame")}


def _contents(backup: Backup, previous: Backup | None) -> dict[str, Any]:
    """The manifest and what changed since the one before; when it cannot be read, why."""
    if backup.state == Backup.State.EXPIRED or backup.deleting_at is not None:
        return {}
    try:
        manifest = archives.manifest_of(backup)
    except OpsError as error:
        return {"manifest_error": error}
    return {"manifest": manifest, "tables": _tables(manifest, previous), "objects": manifest.contents.objects}


def _tables(manifest: Manifest, previous: Backup | None) -> list[archives.TableChange]:
    older = manifest
    try:
        if previous is not None:
            older = archives.manifest_of(previous)
    except OpsError:
        pass  # the one before is damaged: its own page says so
    return archives.differences(older, manifest)


def _restored_by(backup: Backup) -> list[Any]:
    """Operations on its database that restored from it, newest first."""
    rows = backup.database.operations.filter(kind="restore").select_related("requester__person").order_by("-id")[:50]
    return [row for row in rows if str(row.plan.parameters.get("backup")) == str(backup.id)][:5]


def _has_kind(name: str) -> bool:
    return any(kind.name == name for kind in kinds.every())


register_tab(
    Tab(
        name="backups",
        label="Backups",
        icon="inventory_2",
        order=10,
        template="lifecycle/backups.html",
        content=backups_tab,
    )
)
