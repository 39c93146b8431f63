"""A report as a file."""

from __future__ import annotations

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from integrity.models import Report
from integrity.pages.reports import REPORT
from integrity.reporting.exporting import TYPES, export
from opsconsole.pages.base import page, rights_of


@page(
    "integrity/<int:pk>/download/<slug:format>/",
    name="report-download",
    permission="see",
    scope=REPORT,
    methods=("POST",),
    act="downloading it",
)
def download(request: HttpRequest, report: Report, format: str) -> HttpResponseBase:
    """The report as JSON, CSV or XLSX; that it was handed out is an event."""
    pieces = export(report, format, samples=rights_of(request).can("see_data", report.database))
    response = StreamingHttpResponse(pieces, content_type=TYPES[format])
    name = f"{report.database.name}-integrity-{report.pk}.{format}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
