"""Reports as they are kept: recorded once, with their events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from integrity.checks.base import RULE, Found, Held, Severity
from integrity.models import Finding, Report
from integrity.reporting import content
from integrity.reporting.composing import Composed, masked
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.exceptions import FenceLost
from opsconsole.kinds import Run
from opsconsole.models import Database, Operation
from opsconsole.states import HELD_BY_WORKER

AT_ONCE = 500  # rows in one statement
NAMED = 10  # findings that an alert names; the report has them all


@transaction.atomic
def record(run: Run, composed: Composed, *, began: datetime, rows: dict[str, int], facts: dict[str, Any]) -> Report:
    """Keep what a run found. Raises FenceLost."""
    return keep(_held(run), run.database("shared"), composed, began=began, rows=rows, facts=facts)


@transaction.atomic
def keep(
    operation: Operation,
    database: Database,
    composed: Composed,
    *,
    began: datetime,
    rows: dict[str, int],
    facts: dict[str, Any],
) -> Report:
    """Write the report and its findings, with its event, and an alert when a critical finding is new."""
    findings = [_finding(each, is_new, since, database) for each, is_new, since in composed.findings]
    row = _report(operation, database, composed, began)
    row.tables, row.facts = rows, facts
    row.content_sha256 = content.digest(row, findings)
    row.save(force_insert=True)
    for finding in findings:
        finding.report = row
    Finding.objects.bulk_create(findings, batch_size=AT_ONCE)
    told = {"report": row.pk, "content": row.content_sha256, "mode": row.mode, "critical": row.critical}
    counts = {"warning": row.warning, "info": row.info, "new_critical": row.new_critical}
    audit.record(
        "integrity.checked", operation=operation, database=database, subject=words(row), data={**told, **counts}
    )
    if row.new_critical:
        _alert(row, findings)
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


def _held(run: Run) -> Operation:
    held = Operation.objects.select_for_update(of=("self",)).filter(
        pk=run.operation_id, fence=run.fence, state__in=HELD_BY_WORKER
    )
    operation = held.first()
    if operation is None:
        raise FenceLost("fence_lost", f"Operation {run.operation_id} is no longer held under fence {run.fence}.")
    return operation


def _report(operation: Operation, database: Database, composed: Composed, began: datetime) -> Report:
    given = operation.plan.parameters
    return Report(
        operation=operation,
        database=database,
        mode=given["mode"],
        category=given["category"],
        rule=given["rule"],
        started_at=began.astimezone(UTC),
        finished_at=now().astimezone(UTC),
        critical=composed.count(Severity.CRITICAL),
        warning=composed.count(Severity.WARNING),
        info=composed.count(Severity.INFO),
        new=sum(is_new for _, is_new, _ in composed.findings),
        new_critical=composed.count(Severity.CRITICAL, new=True),
        held=[_sound(each) for each in composed.held],
        fixed=[was.told() for was in composed.fixed],
        gone=[was.told() for was in composed.gone],
        carried=[was.finding for was in composed.carried],
        off=[
            {
                "rule": each.check.removeprefix(RULE),
                "operation": each.operation,
                "findings": [was.finding for was in each.stood],
            }
            for each in composed.off
        ],
        open_critical=composed.stands(Severity.CRITICAL),
        open_warning=composed.stands(Severity.WARNING),
        open_info=composed.stands(Severity.INFO),
    )


def _sound(each: Held) -> dict[str, str]:
    told = {"check": each.check, "subject": each.subject, "sentence": each.sentence}
    return told | ({"margin": each.margin} if each.margin else {})


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
        rule=dict(found.rule) if found.rule else None,
        failed=found.failed,
        is_new=is_new,
        since=since.astimezone(UTC),
    )


def _alert(row: Report, findings: list[Finding]) -> None:
    """Tell of the critical findings that did not stand before, apart from the report's own event."""
    new = [finding for finding in findings if finding.is_new and finding.severity == Severity.CRITICAL]
    more = f" (and {len(new) - 1} more)" if len(new) > 1 else ""
    audit.record(
        "integrity.alert",
        operation=row.operation,
        database=row.database,
        subject=f"{new[0].sentence}{more}",
        data={
            "report": row.pk, "new_critical": row.new_critical, "findings": [each.sentence for each in new[:NAMED]],
            "fingerprints": [each.fingerprint for each in new[:NAMED]],
        },
    )  # fmt: skip
