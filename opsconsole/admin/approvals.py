"""Policies and votes, to look at: policies change by request, votes never."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet

from opsconsole.admin.base import ReadOnlyAdmin
from opsconsole.models import Account, Policy, Vote
from opsconsole.permissions import visible_operations


@admin.register(Policy)
class PolicyAdmin(ReadOnlyAdmin):
    list_display = ("title", "name", "version", "enabled", "effective_at")
    list_filter = ("enabled",)
    fields = (
        "name",
        "version",
        "title",
        "match",
        "clauses",
        "min_people",
        "valid_minutes",
        "loss_growth_percent",
        "loss_growth_rows",
        "rehearsal_hours",
        "rehearsal_data_hours",
        "windows",
        "enabled",
        "effective_at",
        "created_at",
        "changed_by",
    )


@admin.register(Vote)
class VoteAdmin(ReadOnlyAdmin):
    list_display = ("at", "operation", "person", "decision", "reason")
    list_filter = ("decision",)
    list_select_related = ("operation__database", "person")
    fields = ("operation", "digest", "person", "account", "decision", "reason", "auth_at", "policy_digest", "at")

    def visible(self, account: Account, rows: QuerySet[Vote]) -> QuerySet[Vote]:
        return rows.filter(operation__in=visible_operations(account).order_by().values("pk"))
