"""How the number of open findings went, report by report, as a chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from integrity.models import Report
from integrity.reporting.standing import reports_of
from opsconsole.dashboard import Chart, Column

REPORTS = 30


def trend(report: Report) -> dict[str, Any] | None:
    """The chart of this report and those before it; None while it is the only one."""
    rows = list(reports_of(report.database).filter(pk__lte=report.pk)[:REPORTS])[::-1]
    if len(rows) < 2:
        return None
    return {"chart": Chart("What stood after each check", tuple(map(_column, rows))), "note": _note(rows)}


def _column(row: Report) -> Column:
    parts = (("red", row.open_critical), ("amber", row.open_warning), ("grey", row.open_info))
    return Column(
        label=f"{row.finished_at:%d %B %H:%M}",
        parts=tuple(part for part in parts if part[1]),
        words=f"{row.open_critical} critical, {row.open_warning} warning{'s' * (row.open_warning != 1)}, "
        f"{row.open_info} to know",
        link=row.get_absolute_url(),
    )


def _note(rows: Sequence[Report]) -> str:
    before, last = rows[-2].open_critical, rows[-1].open_critical
    off = " What was found by rules that are switched off is not counted." if rows[-1].set_aside else ""
    if before == last:
        return f"As many critical findings as before: {last}.{off}"
    return f"{'More' if last > before else 'Fewer'} critical findings than before: {last} after {before}.{off}"
