"""The drills of a database as a tab of its page: what they proved, and the statements that they ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse

from lifecycle.models import Backup, SmokeStatement
from lifecycle.proving import drills, smoke
from opsconsole.models import Database
from opsconsole.pages.asking import ask, said
from opsconsole.pages.base import page, rights_of
from opsconsole.pages.tabs import Tab, register_tab

SHOWN = 10


def drills_tab(request: HttpRequest, database: Database) -> Mapping[str, Any]:
    """The last drills, how long restoring took, and the smoke statements with those that they replaced."""
    rows = SmokeStatement.objects.filter(database=database).select_related("operation", "replaced_by")
    backups = Backup.objects.filter(database=database).exclude(drilled_at=None).order_by("-drilled_at")[:SHOWN]
    return {
        "drilled": [(backup, drills.measured_of(backup)) for backup in backups],
        "runs": database.operations.filter(kind="verify").select_related("requester__person").order_by("-id")[:SHOWN],
        "statements": [row for row in rows if row.replaced_by is None],
        "earlier": [row for row in rows if row.replaced_by is not None][:SHOWN],
        "seconds": smoke.SECONDS,
        "can_ask": rights_of(request).can("request", database),
    }


@page("databases/<slug:name>/smoke/", name="smoke", permission="request", scope="database", methods=("POST",))
def set_statement(request: HttpRequest, database: Database) -> HttpResponse:
    """Ask for a statement to be set, replaced, or (when it is left empty) removed; another person confirms it."""
    given = {"database": database.pk, "name": said(request, "name"), "statement": said(request, "statement")}
    return ask(request, smoke.ACTION, given, reason=said(request, "reason"))


register_tab(
    Tab(
        name="drills", label="Drills", icon="verified_user", order=15,
        template="lifecycle/drills.html", content=drills_tab,
    )
)  # fmt: skip
