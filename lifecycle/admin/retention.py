"""Rules of retention and legal holds, to look at."""

from __future__ import annotations

from django.contrib import admin

from lifecycle.admin.backups import OfDatabaseAdmin
from lifecycle.models import Hold, RetentionRule
from opsconsole.admin.base import ReadOnlyAdmin


@admin.register(RetentionRule)
class RetentionRuleAdmin(ReadOnlyAdmin):
    needs = "administer"  # it names databases that not everybody may see
    list_display = ("scope", "version", "enabled", "effective_at")
    list_filter = ("enabled",)
    fields = (
        "scope",
        "version",
        "last",
        "hourly",
        "daily",
        "weekly",
        "monthly",
        "yearly",
        "time_zone",
        "keeps_all",
        "enabled",
        "effective_at",
        "created_at",
        "operation",
    )


@admin.register(Hold)
class HoldAdmin(OfDatabaseAdmin):
    list_display = ("id", "database", "backup", "until", "lifted_at")
    list_select_related = ("database", "backup__database")
    fields = ("database", "backup", "reason", "until", "set_at", "operation", "lifted_at", "lifted_by")
