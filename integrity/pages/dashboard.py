"""The dashboard's panel of integrity: what stands in each database, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest

from integrity.posture import tab_of
from integrity.reporting.standing import newest_of
from opsconsole.dashboard import Panel
from opsconsole.models import Database

SHOWN = 12


def open_findings(request: HttpRequest, databases: Sequence[Database]) -> dict[str, Any] | None:
    """The databases with the most critical findings first; None while none was ever checked."""
    newest = newest_of(databases)
    checked = [(database, newest[database.pk], tab_of(database)) for database in databases if database.pk in newest]
    never = [(database, tab_of(database)) for database in databases if database.pk not in newest]
    if not checked:
        return None
    checked.sort(key=lambda row: (-row[1].open_critical, -row[1].open_warning, -row[1].open_info, row[0].name))
    return {
        "rows": checked[:SHOWN],
        "left": len(checked) - SHOWN,
        "never": never[:SHOWN],
        "never_left": len(never) - SHOWN,
    }


PANEL = Panel(
    name="integrity",
    title="Open findings",
    order=15,
    template="integrity/dashboard.html",
    content=open_findings,
)
