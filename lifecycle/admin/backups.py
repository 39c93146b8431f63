"""Backups, and what operations replaced, to look at."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from lifecycle.models import Backup, KeptCopy
from opsconsole.admin.base import ReadOnlyAdmin
from opsconsole.models import Account
from opsconsole.permissions import visible_databases


class OfDatabaseAdmin(ReadOnlyAdmin):
    """Rows that belong to a database, for those who may see it.

    COALESCE keeps the planner from going database by database, which would gather and sort a million rows for a page.
    """

    def visible(self, account: Account, rows: QuerySet[Any]) -> QuerySet[Any]:
        seen = list(visible_databases(account).order_by().values_list("pk", flat=True))
        return rows.alias(of=Coalesce("database_id", "database_id")).filter(of__in=seen)


@admin.register(Backup)
class BackupAdmin(OfDatabaseAdmin):
    list_display = ("id", "database", "started_at", "purpose", "state")
    list_filter = ("purpose", "state")
    list_select_related = ("database",)
    fields = (
        "database",
        "operation",
        "purpose",
        "state",
        "key",
        "format",
        "engine",
        "server_version",
        "identity",
        "incarnation",
        "schema_fingerprint",
        "manifest_sha256",
        "tables",
        "rows",
        "stored_bytes",
        "plain_bytes",
        "started_at",
        "finished_at",
        "checks",
        "pinned_at",
        "pinned_by",
        "pin_reason",
        "pinned_until",
        "accepted_at",
        "trashed_at",
        "trash_until",
        "trash_reason",
        "trashed_by",
        "deleting_at",
        "expired_at",
        "delete_problem",
    )


@admin.register(KeptCopy)
class KeptCopyAdmin(OfDatabaseAdmin):
    list_display = ("operation", "database", "way", "state", "expires_at")
    list_filter = ("way", "state")
    list_select_related = ("database", "operation")
    fields = (
        "database",
        "operation",
        "way",
        "state",
        "name",
        "incarnation",
        "backup",
        "live_incarnation",
        "holds",
        "made",
        "size_bytes",
        "kept_at",
        "expires_at",
        "ended_at",
        "undone_by",
        "problem",
    )
