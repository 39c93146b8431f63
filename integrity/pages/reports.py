"""The reports of a database as a tab of its page, and the page of one report."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from integrity.models import Report
from opsconsole.models import Account, Database
from opsconsole.pages.base import Scope, page, register_scope, rights_of, show
from opsconsole.pages.tabs import Tab, header, register_tab
from opsconsole.permissions import visible_databases

REPORTS_A_PAGE = 30
REPORT = "report"  # the scope of a report's pages


def integrity_tab(request: HttpRequest, database: Database) -> Mapping[str, Any]:
    """The last reports, newest first."""
    rows = Report.objects.filter(database=database).select_related("operation")[:REPORTS_A_PAGE]
    return {"reports": list(rows), "may_check": rights_of(request).can("request", database)}


def _find(account: Account, arguments: dict[str, Any]) -> Report:
    rows = Report.objects.select_related("operation", "database__environment", "database__owner_group")
    found = rows.filter(pk=arguments.pop("pk"), database__in=visible_databases(account)).first()
    if found is None:
        raise Http404("There is no such report among the databases that you may see.")
    return found


register_scope(Scope(name=REPORT, find=_find, subject=lambda report: report.database))
register_tab(
    Tab(
        name="integrity",
        label="Integrity",
        icon="fact_check",
        order=35,
        template="integrity/tab.html",
        content=integrity_tab,
    )
)


@page("integrity/<int:pk>/", name="report", permission="see", scope=REPORT)
def report_page(request: HttpRequest, report: Report) -> HttpResponse:
    """Every finding of one report by category, the worst first, and what held."""
    findings = list(report.findings.all())
    worst = {finding.category: place for place, finding in reversed(list(enumerate(findings)))}
    ordered = sorted(findings, key=lambda finding: worst[finding.category])
    groups = [(category, list(some)) for category, some in groupby(ordered, key=lambda finding: finding.category)]
    context = {**header(request, report.database), "title": f"Report {report.pk}", "report": report, "groups": groups}
    return show(request, "integrity/report.html", **context)
