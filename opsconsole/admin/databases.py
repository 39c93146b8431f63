"""Databases, environments and notes, to look at."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet

from opsconsole.admin.base import ReadOnlyAdmin
from opsconsole.admin.tables import DatabaseTables
from opsconsole.models import Account, Database, DatabaseNote, Environment
from opsconsole.permissions import visible_databases


@admin.register(Database)
class DatabaseAdmin(DatabaseTables, ReadOnlyAdmin):
    list_display = ("name", "engine", "environment", "server_version", "seen_at")
    list_select_related = ("environment",)
    search_fields = ("^name",)
    fields = (
        "name",
        "engine",
        "display",
        "url_env",
        "environment",
        "owner_group",
        "queue",
        "tags",
        "guarded_tables",
        "masked_columns",
        "target_hours",
        "identity",
        "incarnation",
        "server_version",
        "seen_at",
        "problem",
        "created_at",
        "removed_at",
    )

    def visible(self, account: Account, rows: QuerySet[Database]) -> QuerySet[Database]:
        return rows.filter(pk__in=visible_databases(account).values("pk"))


@admin.register(Environment)
class EnvironmentAdmin(ReadOnlyAdmin):
    list_display = ("label", "name", "protected", "order", "colour")
    list_filter = ("protected",)
    fields = ("name", "label", "protected", "order", "colour")


@admin.register(DatabaseNote)
class DatabaseNoteAdmin(ReadOnlyAdmin):
    list_display = ("at", "database", "author", "text")
    list_select_related = ("database", "author")
    fields = ("database", "author", "at", "text")

    def visible(self, account: Account, rows: QuerySet[DatabaseNote]) -> QuerySet[DatabaseNote]:
        return rows.filter(database__in=visible_databases(account).values("pk"))
