"""The reports of a database as a tab of its page, the page of one report, its print view, and one finding."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

from django.db.models import Count, Min, Q
from django.http import Http404, HttpRequest, HttpResponse

from integrity.checks.base import Severity
from integrity.checks.known import check_named
from integrity.models import Finding, Report, Rule
from integrity.pages.proposals import Act, act_on_all, acts_of
from integrity.pages.trends import trend
from integrity.reporting.exporting import TYPES
from integrity.reporting.setting_aside import Aside, asides_of
from integrity.reporting.standing import ended_fixes, reports_of, worst_in
from opsconsole.models import Account, Database, Operation, Schedule
from opsconsole.pages.base import Scope, page, register_scope, rights_of, show
from opsconsole.pages.tabs import Tab, header, register_tab
from opsconsole.permissions import visible_databases
from opsconsole.scheduling import standing as scheduling

REPORTS_A_PAGE = 30
FINDINGS_A_GROUP = 25  # on the page of a whole report
FINDINGS_A_PAGE = 100  # of one category, and of a whole report
GROUPS = 20  # categories whose findings are shown beside each other
CARRIED = 100  # listed of those that were not looked at; all are counted
PRINTED = 500
WORST = 5  # critical findings on the tab
SOUND = 300  # listed; all are counted
CHECK = "check"
REPORT = "report"  # the scope of a report's pages


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One finding as it is read: with the rows of its sample if these may be seen, and what may be asked for.

    `alike` where the one above it is of the same check, and says at length why that matters.
    """

    row: Finding
    acts: Sequence[Act]
    alike: bool = False

    @property
    def rule(self) -> str:
        """The rule that somebody may confirm, as one imports it; empty for a finding that is no guess."""
        return json.dumps([self.row.rule], indent=2) if self.row.rule else ""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Findings of one category, worst first: those that are shown, of so many."""

    category: str
    of: int
    critical: int
    shown: list[Shown]

    @property
    def left(self) -> int:
        return self.of - len(self.shown)


def integrity_tab(request: HttpRequest, database: Database) -> Mapping[str, Any]:
    """What the last check says, how the findings went, and the reports, newest first."""
    before, rows = request.GET.get("before", ""), reports_of(database)
    last = rows.first()
    if before.isdecimal() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    found = list(rows[: REPORTS_A_PAGE + 1])
    worst = worst_in(last, WORST) if last and last.open_critical else []
    rules = Rule.objects.filter(database=database, replaced_by=None)
    may_check = rights_of(request).can("request", database)
    return {
        "last": last,
        "set_right": _set_right_since(database, last) if last else None,
        "worst": worst,
        "worst_left": last.open_critical - len(worst) if last else 0,
        "all_critical": act_on_all(last) if last and may_check else None,
        "trend": trend(last) if last else None,
        "reports": found[:REPORTS_A_PAGE],
        "older": found[REPORTS_A_PAGE - 1].pk if len(found) > REPORTS_A_PAGE else None,
        "may_check": may_check,
        "scheduled": _scheduled(database),
        "rules": rules.count(),
        "rules_off": rules.filter(off=True).count(),
    }


def _scheduled(database: Database) -> list[tuple[Schedule, str]]:
    """What checks it by itself, in words."""
    among = Database.objects.filter(pk=database.pk)
    rows = [row for row in scheduling.current() if row.kind == CHECK and scheduling.databases_of(row, among)]
    return [(row, scheduling.sentence(row)) for row in rows]


def _set_right_since(database: Database, report: Report) -> Operation | None:
    """The newest fix, or undo of one, that ended after the report looked."""
    return ended_fixes([database]).filter(finished_at__gt=report.finished_at).order_by("-finished_at").first()


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
    """Every finding of one report by category, the worst first, and what held; `?category=` pages through one."""
    only = request.GET.get("category", "")
    if only:
        return show(request, "integrity/category.html", **_frame(request, report), **_category(request, report, only))
    unseen = report.findings.filter(failed=True)[:FINDINGS_A_PAGE]
    return show(
        request,
        "integrity/report.html",
        **_frame(request, report),
        **_told(report),
        trend=trend(report),
        unseen=_shown(request, report, unseen),
        unseen_count=report.findings.filter(failed=True).count(),
        unseen_first=report.findings.filter(failed=True, severity=Severity.CRITICAL).exists(),
        groups=_groups(report, partial(_shown, request, report), FINDINGS_A_PAGE, FINDINGS_A_GROUP),
        all_critical=act_on_all(report) if rights_of(request).can("request", report.database) else None,
        formats=tuple(TYPES),
    )


@page("integrity/<int:pk>/print/", name="report-print", permission="see", scope=REPORT)
def print_page(request: HttpRequest, report: Report) -> HttpResponse:
    """The report on paper, or as a PDF: everything open, nothing to press."""
    failed = report.findings.filter(failed=True)
    unseen = [Shown(row=row, acts=()) for row in failed[:PRINTED]]
    return show(
        request,
        "integrity/print.html",
        **_about(request, report),
        **_told(report),
        unseen=unseen,
        unseen_count=failed.count(),
        groups=_groups(report, lambda rows: [Shown(row=row, acts=()) for row in rows], PRINTED, PRINTED),
        printed=True,
    )


@page("integrity/<int:pk>/findings/<slug:finding>/", name="finding", permission="see", scope=REPORT)
def finding_page(request: HttpRequest, report: Report, finding: str) -> HttpResponse:
    """One finding, and how it went in the reports around this one."""
    row = report.findings.filter(fingerprint__startswith=f"sha256:{finding}").first()
    if row is None:
        raise Http404("There is no such finding in this report.")
    around = list(reports_of(report.database)[:REPORTS_A_PAGE])
    counts = dict(
        Finding.objects.filter(report__in=around, fingerprint=row.fingerprint).values_list("report_id", "count")
    )
    above = _frame(request, report)
    above["crumbs"] = [*above["crumbs"], (f"Report {report.pk}", report.get_absolute_url())]
    return show(
        request,
        "integrity/finding.html",
        **above | {"title": row.sentence, "crumb": f"Finding {row.slug}"},
        shown=_shown(request, report, [row])[0],
        history=[(each, counts.get(each.pk)) for each in around],
    )


def _about(request: HttpRequest, report: Report) -> dict[str, Any]:
    """What the report is about, and what somebody may do with it."""
    rights = rights_of(request)
    return {
        "database": report.database,
        "title": f"Report {report.pk} of {report.database.name}",
        "report": report,
        "may_check": rights.can("request", report.database),
        "may_see_rows": rights.can("see_data", report.database),
    }


def _frame(request: HttpRequest, report: Report) -> dict[str, Any]:
    """The same within the frame of the database's pages."""
    database = report.database
    return {
        **_about(request, report),
        "frame": header(request, database)["frame"],
        "crumb": f"Report {report.pk}",
        "crumbs": integrity_crumbs(database),
    }


def integrity_crumbs(database: Database) -> list[tuple[str, str]]:
    """The way to what stands below the tab Integrity of a database."""
    above = [("Databases", "/databases/"), (database.name, database.get_absolute_url())]
    return [*above, ("Integrity", f"/databases/{database.name}/integrity/")]


def _told(report: Report) -> dict[str, Any]:
    """What the report says beside its findings."""
    sound = sorted(report.held, key=lambda each: str(each["check"]))[:SOUND]
    by_check = [
        (check, known.label if (known := check_named(check)) else "", list(some))
        for check, some in groupby(sound, key=lambda each: str(each["check"]))
    ]
    return {
        "before": reports_of(report.database).filter(pk__lt=report.pk).first(),
        "carried": _listed(report, report.carried),
        "asides": _asides(report),
        "still": report.critical + report.warning + report.info - report.new,
        "sound": by_check,
        "sound_left": len(report.held) - len(sound),
    }


def _listed(report: Report, ids: Sequence[int]) -> list[Finding]:
    """The first of these findings, which were not looked at, as earlier reports tell them."""
    rows = Finding.objects.filter(pk__in=ids[:CARRIED], report__database=report.database_id)
    found = rows.only("report_id", "fingerprint", "severity", "sentence").in_bulk()
    return [found[pk] for pk in ids[:CARRIED] if pk in found]


def _asides(report: Report) -> list[tuple[Aside, str, list[Finding]]]:
    """The rules that were off, why (as whoever asked for it said), and the first of what stood of them."""
    asides = asides_of(report)
    said = Operation.objects.filter(pk__in=[each.operation for each in asides]).values_list("pk", "reason")
    why = dict(said) if asides else {}
    shown = {row.pk: row for row in _listed(report, report.set_aside)}
    return [(each, why.get(each.operation, ""), [shown[pk] for pk in each.findings if pk in shown]) for each in asides]


def _groups(
    report: Report, shown_of: Callable[[Iterable[Finding]], list[Shown]], most: int, most_of_one: int
) -> list[Group]:
    """Every category, the one with the worst finding first; of each so many findings as there is room for."""
    rows = report.findings.filter(failed=False)
    counted = rows.order_by().values("category").annotate(first=Min("pk"), n=Count("pk"), critical=_CRITICAL)
    groups, room = [], most
    for place, each in enumerate(sorted(counted, key=lambda item: item["first"])):
        some = rows.filter(category=each["category"])[: min(room, most_of_one)]
        shown = shown_of(some) if room and place < GROUPS else []
        room -= len(shown)
        groups.append(Group(category=each["category"], of=each["n"], critical=each["critical"], shown=shown))
    return groups


def _category(request: HttpRequest, report: Report, category: str) -> dict[str, Any]:
    rows = report.findings.filter(category=category, failed=False)
    after = request.GET.get("after", "")
    later = rows.filter(pk__gt=int(after)) if after.isdecimal() and len(after) < 19 else rows
    found = list(later[: FINDINGS_A_PAGE + 1])
    counts = rows.aggregate(n=Count("pk"), critical=_CRITICAL)
    shown = _shown(request, report, found[:FINDINGS_A_PAGE])
    return {
        "group": Group(category=category, of=counts["n"], critical=counts["critical"], shown=shown),
        "after": found[FINDINGS_A_PAGE - 1].pk if len(found) > FINDINGS_A_PAGE else None,
        "later": later is not rows,
    }


def _shown(request: HttpRequest, report: Report, rows: Any) -> list[Shown]:
    may_ask, listed = rights_of(request).can("request", report.database), list(rows)
    checks = [None, *(row.check_name for row in listed)]
    return [
        Shown(
            row=row,
            acts=acts_of(row, report.database) if may_ask else (),
            alike=row.check_name == above and row.severity != Severity.CRITICAL,
        )
        for above, row in zip(checks, listed, strict=False)
    ]


_CRITICAL = Count("pk", filter=Q(severity=Severity.CRITICAL))
