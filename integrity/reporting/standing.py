"""What stands now: the findings of a database, and the newest reports of many databases at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.models import OuterRef, QuerySet, Subquery

from integrity.checks.base import Severity
from integrity.models import Finding, Report
from integrity.reporting.composing import Before
from opsconsole.models import Database, Operation
from opsconsole.states import State

AT_ONCE = 500  # ids in one query
HEAVY = ("held", "fixed", "gone", "carried", "off", "tables", "facts")  # what lists of reports do not read


def standing(database: Database) -> dict[str, Before]:
    """The findings that stand, by fingerprint: those of the newest report, those that it carried on, and those that it
    set aside because their rules were off.
    """
    last = Report.objects.filter(database=database).only("carried", "off").first()
    if last is None:
        return {}
    rows = [*_before(Finding.objects.filter(report=last))]
    earlier = [*last.carried, *last.set_aside]
    for start in range(0, len(earlier), AT_ONCE):
        rows += _before(Finding.objects.filter(pk__in=earlier[start : start + AT_ONCE]))
    return {was.fingerprint: was for was in rows}


def open_in(report: Report, **which: object) -> list[Finding]:
    """The findings that stood after a report, the worst first and without rows: its own, and those it carried on."""
    found = list(Finding.objects.filter(report=report, **which).defer("sample"))
    for start in range(0, len(report.carried), AT_ONCE):
        some = report.carried[start : start + AT_ONCE]
        found += Finding.objects.filter(pk__in=some, report__database=report.database_id, **which).defer("sample")
    return sorted(found, key=lambda row: (Severity(row.severity).rank, row.pk))


def worst_in(report: Report, most: int) -> list[Finding]:
    """The first of the critical findings that stood after a report, without rows, the oldest first."""
    rows, ids = Finding.objects.defer("sample").order_by("pk"), _critical_before(report)[:most]
    found = list(rows.filter(pk__in=ids, report__database=report.database_id))
    return found + list(rows.filter(report=report, severity=Severity.CRITICAL)[: most - len(found)])


def curable_in(report: Report) -> int:
    """How many critical findings stood after a report that were looked at and come with a proposal."""
    rows = Finding.objects.filter(failed=False).exclude(proposals=[])
    count, ids = rows.filter(report=report, severity=Severity.CRITICAL).count(), _critical_before(report)
    for start in range(0, len(ids), AT_ONCE):
        count += rows.filter(pk__in=ids[start : start + AT_ONCE], report__database=report.database_id).count()
    return count


def _critical_before(report: Report) -> list[int]:
    """The ids of what it carried on that is critical: these come first there."""
    return list(report.carried[: max(0, report.open_critical - report.critical)])


def newest_of(databases: Sequence[Database]) -> dict[int, Report]:
    """The newest report of each database by the database's id, in one query."""
    last = Report.objects.filter(database=OuterRef("pk")).values("pk")[:1]
    wanted = Database.objects.filter(pk__in=[database.pk for database in databases]).annotate(last=Subquery(last))
    rows = Report.objects.filter(pk__in=wanted.order_by().values("last")).defer(*HEAVY)
    return {row.database_id: row for row in rows}


def reports_of(database: Database) -> QuerySet[Report]:
    """Its reports, newest first, without what only a report's own page shows."""
    return Report.objects.filter(database=database).defer(*HEAVY)


def ended_fixes(databases: Sequence[Database]) -> QuerySet[Operation]:
    """The fixes, and undos of fixes, that went well: a report from before them tells of what was found until then."""
    return Operation.objects.filter(kind__in=("fix", "unfix"), state=State.SUCCEEDED, database__in=databases)


def rows_before(database: Database) -> dict[str, int]:
    """Rows by table in the last whole report."""
    rows = Report.objects.filter(database=database, mode=Report.Mode.FULL, category="", rule="")
    last = rows.only("tables").first()
    return {str(table): int(count) for table, count in last.tables.items()} if last else {}


def _before(rows: QuerySet[Finding]) -> Iterator[Before]:
    names = ("pk", "fingerprint", "since", "check_name", "subject", "sentence", "severity", "failed")
    for pk, fingerprint, since, check, subject, sentence, severity, failed in rows.values_list(*names):
        yield Before(
            finding=pk,
            fingerprint=fingerprint,
            since=since,
            check=check,
            subject=subject,
            sentence=sentence,
            severity=severity,
            failed=failed,
        )
