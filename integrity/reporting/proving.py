"""Whether reports still are what they were when they were recorded: their bytes, and the numbers that lists show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from integrity.checks.base import Severity
from integrity.models import Finding, Report
from integrity.reporting import content
from opsconsole import verify_audit

AT_ONCE = 100


def compare(told: verify_audit.Report) -> None:
    """Add a finding for every report whose bytes or counts are other than recorded; memory stays the same."""
    for row in Report.objects.select_related("database").order_by("pk").iterator(chunk_size=AT_ONCE):
        if wrong := _wrong(row):
            told.add("report", f"report {row.pk}", f"It was changed since it was recorded: {wrong}.")


def _wrong(row: Report) -> str:
    """What differs; empty when nothing does."""
    counted: Counter[str] = Counter()

    def findings() -> Iterator[Finding]:
        for finding in Finding.objects.filter(report=row).iterator(chunk_size=AT_ONCE):
            counted[finding.severity] += 1
            if finding.is_new:
                counted.update(("new", f"new {finding.severity}"))
            yield finding

    if content.digest(row, findings()) != row.content_sha256:
        return "its bytes have another digest"
    carried: Counter[str] = Counter()
    for start in range(0, len(row.carried), AT_ONCE):
        some = Finding.objects.filter(pk__in=row.carried[start : start + AT_ONCE])
        carried.update(some.values_list("severity", flat=True))
    critical, warning, info = (str(each) for each in Severity)
    is_so = (
        (row.critical, row.warning, row.info) == (counted[critical], counted[warning], counted[info])
        and (row.new, row.new_critical) == (counted["new"], counted[f"new {critical}"])
        and row.open_critical == counted[critical] + carried[critical]
        and row.open_warning == counted[warning] + carried[warning]
        and row.open_info == counted[info] + carried[info]
    )
    return "" if is_so else "it counts other findings than it has"
