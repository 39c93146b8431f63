"""Import and export of databases as tables (django-import-export).

An export holds no secret: the URL appears without its password, or as the variable that holds it. An import changes
nothing by itself: each new or differing row becomes a change request, which somebody else confirms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from import_export.fields import Field
from import_export.resources import ModelResource
from import_export.widgets import CharWidget, ForeignKeyWidget, Widget

from opsconsole import audit, operations
from opsconsole.databases import registration
from opsconsole.exceptions import OpsError
from opsconsole.models import Account, Database, Environment, Operation, OwnerGroup
from opsconsole.permissions import visible_databases


class ListWidget(Widget):
    """A list of words in one cell, separated by commas."""

    def clean(self, value: Any, row: Mapping[str, Any] | None = None, **kwargs: Any) -> list[str]:
        return sorted({word.strip() for word in str(value or "").split(",") if word.strip()})

    def render(self, value: Sequence[str] | None, obj: Any = None, **kwargs: Any) -> str:
        return ",".join(value or ())


class OwnerGroupWidget(ForeignKeyWidget):
    """An owner group by its name; a new name is a new group, which the confirmed change makes."""

    def clean(self, value: Any, row: Mapping[str, Any] | None = None, **kwargs: Any) -> OwnerGroup:
        name = str(value or "default").strip()
        return OwnerGroup.objects.filter(name=name).first() or OwnerGroup(name=name)


class EnvironmentWidget(ForeignKeyWidget):
    """An environment by its name."""

    def clean(self, value: Any, row: Mapping[str, Any] | None = None, **kwargs: Any) -> Environment:
        try:
            return registration.environment_called(str(value or "").strip())
        except OpsError as error:
            raise ValueError(f"{error.why} {error.next_step}") from error


class DatabaseResource(ModelResource):
    """Databases that `account` may see. An import may also hold a column `url`, without a password, for new rows.

    `requested` lists the change requests that an import made.
    """

    name = Field("name", "name", CharWidget())
    engine = Field("engine", "engine", readonly=True)
    display = Field("display", "display", readonly=True)
    url_env = Field("url_env", "url_env", CharWidget())
    environment = Field("environment", "environment", EnvironmentWidget(Environment, "name"))
    owner_group = Field("owner_group", "owner_group", OwnerGroupWidget(OwnerGroup, "name"))
    queue = Field("queue", "queue", CharWidget())
    tags = Field("tags", "tags", ListWidget())
    guarded_tables = Field("guarded_tables", "guarded_tables", ListWidget())
    masked_columns = Field("masked_columns", "masked_columns", ListWidget())

    class Meta:
        model = Database
        fields = (
            "name", "engine", "display", "url_env", "environment", "owner_group", "queue", "tags", "guarded_tables",
            "masked_columns",
        )  # fmt: skip
        export_order = fields
        import_id_fields = ("name",)
        skip_unchanged = True
        report_skipped = True
        use_transactions = False  # every request is a transaction of its own, and targets are asked in between

    def __init__(self, account: Account, reason: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.account, self.reason = account, reason
        self.requested: list[Operation] = []

    def get_queryset(self) -> QuerySet[Database]:
        return visible_databases(self.account)

    def save_instance(self, instance: Database, is_create: bool, row: Mapping[str, Any], **kwargs: Any) -> None:
        """Check the row and, unless this is a dry run, request the change; nothing is written to the database's row."""
        try:
            action, parameters = self._change(is_create, row)
            if not self._is_dry_run(kwargs):
                self.requested.append(
                    operations.request_change(action, parameters, account=self.account, reason=self.reason)
                )
        except OpsError as error:
            raise ValidationError(f"{error.why} {error.next_step}".strip()) from error

    def save_m2m(self, instance: Database, row: Mapping[str, Any], **kwargs: Any) -> None:
        """There is nothing else to save."""

    def after_export(self, queryset: QuerySet[Database], dataset: Any, **kwargs: Any) -> None:
        audit.record("database.exported", subject="databases", data={"rows": len(dataset)})

    def after_import(self, dataset: Any, result: Any, **kwargs: Any) -> None:
        if self.requested:
            audit.record("database.imported", subject="databases", data={"rows": len(self.requested)})

    def _change(self, is_create: bool, row: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        given = {name: field.clean(row) for name, field in self.get_import_fields_given(row).items()}
        url, url_env = str(row.get("url") or "").strip(), str(given.get("url_env") or "").strip()
        if url and registration.has_password(url):
            raise ValidationError("A file is no place for a password: name the variable that holds the URL in url_env.")
        settings = {
            name: getattr(value, "name", value) for name, value in given.items() if name in registration.EDITABLE
        }
        if not is_create:
            database = self.get_queryset().get(name=given["name"])
            moved = url_env if url_env != database.url_env else ""
            return "database.edit", registration.edition(database, settings, url=url, url_env=moved)
        added = {name: settings[name] for name in ("environment", "owner_group", "queue", "tags") if settings.get(name)}
        return "database.add", registration.addition(given["name"], url=url, url_env=url_env, **added)

    def get_import_fields_given(self, row: Mapping[str, Any]) -> dict[str, Field]:
        """The importable fields whose column the file has, by name."""
        return {
            field.column_name: field
            for field in self.get_import_fields()
            if field.column_name in row and not field.readonly
        }
