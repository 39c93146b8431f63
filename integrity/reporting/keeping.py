"""Reports as they are kept: recorded once, with their event, and found again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from integrity.checks.base import Found, Severity
from integrity.models import Finding, Report
from integrity.reporting.composing import Before, Composed, masked
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.exceptions import FenceLost
from opsconsole.kinds import Run
from opsconsole.models import Database, Operation
from opsconsole.plans import canonical_json, digest_of
from opsconsole.states import HELD_BY_WORKER

LOOKED_BACK = 50  # reports


def standing(database: Database) -> dict[str, Before]:
    """The findings that stand by fingerprint: of the newest report that looked, as far as it was not fixed since.

    A finding that a later report did not look at still stands.
    """
    stands: dict[str, Before] = {}
    reports = list(Report.objects.filter(database=database)[:LOOKED_BACK])[::-1]
    for report in reports:
        if report.is_whole:
            stands = {}
        for gone in report.fixed:
            stands.pop(gone["fingerprint"], None)
        for found in report.findings.all():
            stands[found.fingerprint] = Before(
                since=found.since,
                check=found.check_name,
                subject=found.subject,
                sentence=found.sentence,
                severity=found.severity,
            )
    return stands


def rows_before(database: Database) -> dict[str, int]:
    """Rows by table in the last whole report."""
    rows = Report.objects.filter(database=database, mode=Report.Mode.FULL, category="", rule="")
    last = rows.first()
    return {str(table): int(count) for table, count in last.tables.items()} if last else {}


@transaction.atomic
def record(run: Run, composed: Composed, *, began: datetime, rows: dict[str, int], facts: dict[str, Any]) -> Report:
    """Keep what was found, with its event. Raises FenceLost."""
    held = Operation.objects.select_for_update(of=("self",)).filter(
        pk=run.operation_id, fence=run.fence, state__in=HELD_BY_WORKER
    )
    operation = held.first()
    if operation is None:
        raise FenceLost("fence_lost", f"Operation {run.operation_id} is no longer held under fence {run.fence}.")
    database, given = run.database("shared"), run.plan.parameters
    findings = [_finding(each, is_new, since, database) for each, is_new, since in composed.findings]
    row = Report(
        operation=operation,
        database=database,
        mode=given["mode"],
        category=given["category"],
        rule=given["rule"],
        started_at=began,
        finished_at=now(),
        critical=composed.count(Severity.CRITICAL),
        warning=composed.count(Severity.WARNING),
        info=composed.count(Severity.INFO),
        new=sum(is_new for _, is_new, _ in composed.findings),
        new_critical=composed.count(Severity.CRITICAL, new=True),
        held=[{"check": each.check, "subject": each.subject, "sentence": each.sentence} for each in composed.held],
        fixed=[dict(each) for each in composed.fixed],
        tables=rows,
        facts=facts,
    )
    row.content_sha256 = digest_of(canonical_json(_content(row, findings)))
    row.save(force_insert=True)
    for finding in findings:
        finding.report = row
    Finding.objects.bulk_create(findings)
    audit.record(
        "integrity.checked",
        operation=operation,
        database=database,
        subject=words(row),
        data={
            "report": row.pk, "content": row.content_sha256, "mode": row.mode, "critical": row.critical,
            "warning": row.warning, "info": row.info, "new_critical": row.new_critical,
        },
    )  # fmt: skip
    return row


def words(row: Report) -> str:
    """`2 critical findings (1 of them new), 3 warnings`."""
    if not (row.critical or row.warning or row.info):
        return "no findings"
    parts = [f"{row.critical} critical finding{'s' * (row.critical != 1)}"] if row.critical else []
    if row.new_critical:
        parts[0] += f" ({row.new_critical} new)"
    parts += [f"{row.warning} warning{'s' * (row.warning != 1)}"] if row.warning else []
    parts += [f"{row.info} to know"] if row.info else []
    return ", ".join(parts)


def _finding(found: Found, is_new: bool, since: datetime, database: Database) -> Finding:
    return Finding(
        fingerprint=found.fingerprint,
        check_name=found.check,
        subject=found.subject,
        table=found.table,
        severity=found.severity.value,
        category=found.category,
        sentence=found.sentence,
        count=found.count,
        of=found.of,
        margin=found.margin,
        sample=masked(found.sample, found.table, database.masked_columns),
        query=found.query,
        why=found.why,
        next_step=found.next_step,
        proposals=[proposal.to_json() for proposal in found.proposals],
        failed=found.failed,
        is_new=is_new,
        since=since,
    )


def _content(row: Report, findings: list[Finding]) -> dict[str, Any]:
    """What the digest is over: everything a reader is told."""
    told = (
        "fingerprint", "check_name", "subject", "severity", "category", "sentence", "count", "of", "margin", "sample",
        "query", "why", "next_step", "proposals", "failed", "is_new",
    )  # fmt: skip
    return {
        "report": row.operation_id,
        "database": row.database_id,
        "mode": row.mode,
        "category": row.category,
        "rule": row.rule,
        "held": row.held,
        "fixed": row.fixed,
        "tables": row.tables,
        "findings": [{name: getattr(finding, name) for name in told} for finding in findings],
    }
