"""What a team has without a console: Django's default ModelAdmin over the same rows, with the same columns and filters.

Each list shows what the console's own list shows, a page of as many rows, and filters by the same columns.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.urls import path

from lifecycle.models import Backup
from opsconsole.models import AuditEvent, Operation

site = admin.AdminSite(name="admin")
site.has_permission = lambda request: True


class Peer(admin.ModelAdmin):
    """Everybody may look: permissions are not what is measured here."""

    actions = None

    def has_module_permission(self, request: Any) -> bool:
        return True

    has_view_permission = lambda self, request, obj=None: True  # noqa: E731
    has_add_permission = has_change_permission = has_delete_permission = lambda self, request, obj=None: False


@admin.register(Operation, site=site)
class OperationPeer(Peer):
    list_display = ("id", "kind", "state", "database", "requester", "created_at")
    list_filter = ("state", "kind", "database")
    list_select_related = ("database__environment", "requester__person")
    list_per_page = 40


@admin.register(AuditEvent, site=site)
class AuditPeer(Peer):
    list_display = ("id", "at", "type", "actor_name", "database_name", "outcome")
    list_filter = ("type", "kind", "outcome", "database_name")
    list_per_page = 50


@admin.register(Backup, site=site)
class BackupPeer(Peer):
    list_display = ("id", "database", "started_at", "purpose", "state")
    list_filter = ("purpose", "state")
    list_select_related = ("database",)
    list_per_page = 50


urlpatterns = [path("admin/", site.urls)]
