"""The audit history as plain rows, for auditors; /audit/ is the page to read it on."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet

from opsconsole.admin.base import ReadOnlyAdmin
from opsconsole.models import Account, AuditCheckpoint, AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    needs = "audit"
    list_display = ("id", "at", "type", "actor_name", "outcome")
    fields = (
        "uid",
        "type",
        "at",
        "actor",
        "actor_name",
        "outcome",
        "operation_id",
        "database_id",
        "database_name",
        "kind",
    )

    def visible(self, account: Account, rows: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return rows.defer("payload")


@admin.register(AuditCheckpoint)
class AuditCheckpointAdmin(ReadOnlyAdmin):
    needs = "audit"
    list_display = ("seq", "at", "key_id")
    fields = ("seq", "at", "key_id", "note")
