"""Operations and the workers that run them, to look at."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet

from opsconsole.admin.base import ReadOnlyAdmin
from opsconsole.models import Account, Operation, WorkerHost
from opsconsole.permissions import visible_operations


@admin.register(Operation)
class OperationAdmin(ReadOnlyAdmin):
    list_display = ("id", "kind", "state", "database", "created_at")
    list_filter = ("state",)
    list_select_related = ("database",)
    fields = (
        "kind",
        "state",
        "state_reason",
        "database",
        "requester",
        "requester_person",
        "reason",
        "retry_of",
        "digest",
        "gated",
        "votes_needed",
        "self_confirmed",
        "queue",
        "created_at",
        "submitted_at",
        "expires_at",
        "started_at",
        "finished_at",
        "attempts",
        "fence",
        "worker",
        "result",
        "failure_code",
        "failure_why",
        "failure_next",
    )

    def visible(self, account: Account, rows: QuerySet[Operation]) -> QuerySet[Operation]:
        """Filtered directly: as a subquery, a million of them would be gathered before the first page is cut."""
        return visible_operations(account).select_related(None).defer("plan_text", "requirement", "witness", "progress")


@admin.register(WorkerHost)
class WorkerHostAdmin(ReadOnlyAdmin):
    list_display = ("name", "version", "started_at", "seen_at")
    fields = ("name", "queues", "version", "tools", "clock_seconds", "started_at", "seen_at")
