"""Import and export of databases in the admin: for administrators, without secrets, and only by request."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from import_export.admin import ImportExportMixin
from import_export.formats.base_formats import CSV, JSON
from import_export.forms import ConfirmImportForm
from import_export.results import Result, RowResult
from unfold.contrib.import_export.forms import ExportForm, ImportForm
from unfold.widgets import UnfoldAdminTextInputWidget

from opsconsole.admin.uploads import UploadFolder
from opsconsole.resources import DatabaseResource


class ReasonedImportForm(ImportForm):
    """The file, and why its changes are asked for."""

    reason = forms.CharField(
        max_length=1000,
        help_text="The person who confirms the changes reads this, and so does the audit.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )


class ReasonedConfirmForm(ConfirmImportForm):
    """What the confirming step carries on."""

    reason = forms.CharField(widget=forms.HiddenInput)


class DatabaseTables(ImportExportMixin):
    """Mixed into the admin of databases. What an import asks for is counted, and waits for another person."""

    resource_classes = [DatabaseResource]
    formats = [CSV, JSON]
    import_form_class = ReasonedImportForm
    confirm_form_class = ReasonedConfirmForm
    export_form_class = ExportForm
    tmp_storage_class = UploadFolder
    skip_admin_log = True  # the audit history tells it

    def get_import_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        given = getattr(kwargs.get("form"), "cleaned_data", {})  # none while the empty form is shown
        return {"account": request.user, "reason": given.get("reason", "")}

    def get_confirm_form_initial(self, request: HttpRequest, import_form: Any) -> dict[str, Any]:
        told = dict(super().get_confirm_form_initial(request, import_form))
        return told if import_form is None else told | {"reason": import_form.cleaned_data["reason"]}

    def get_export_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        return {"account": request.user}

    def add_success_message(self, result: Result, request: HttpRequest) -> None:
        asked = result.totals[RowResult.IMPORT_TYPE_NEW] + result.totals[RowResult.IMPORT_TYPE_UPDATE]
        same = result.totals[RowResult.IMPORT_TYPE_SKIP]
        messages.success(
            request, f"{asked} changes were asked for and wait in the approvals; {same} rows differ in nothing."
        )
