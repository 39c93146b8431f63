"""A database's history: everything that was asked, done, changed, looked at or noted, from the audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from opsconsole.audit.sentences import payload_of
from opsconsole.databases.notes import LONGEST
from opsconsole.models import AuditEvent, Database
from opsconsole.pages import looks
from opsconsole.pages.base import rights_of
from opsconsole.row_numbers import row_number

EVENTS_A_PAGE = 40
NOTED = "database.noted"
GROUPS = {
    "operations": ("Operations", "op."),
    "backups": ("Backups", "backup."),
    "checks": ("Integrity", "integrity."),
    "settings": ("Settings", "database."),
    "looks": ("Looks at data", "data."),
}


@dataclass(frozen=True)
class Entry:
    """One event as it is read, with the words of a note and the number of its operation."""

    told: looks.Told
    note: str
    operation: int | None

    @classmethod
    def of(cls, event: AuditEvent) -> Entry:
        data = payload_of(event).get("data") or {}
        note = str(data.get("text", "")) if event.type == NOTED else ""
        return cls(looks.told(event), note, event.operation_id)


def history_content(request: HttpRequest, database: Database) -> Mapping[str, Any]:
    """A page of events, newest first; `?before=` continues, `?only=` keeps one group."""
    only, before = request.GET.get("only", ""), row_number(request.GET.get("before", ""))
    rows = AuditEvent.objects.filter(database_id=database.pk)
    if only in GROUPS:
        rows = rows.filter(type__startswith=GROUPS[only][1])
    if before:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-id")[: EVENTS_A_PAGE + 1])
    rights = rights_of(request)
    return {
        "entries": [Entry.of(event) for event in found[:EVENTS_A_PAGE]],
        "older": found[EVENTS_A_PAGE - 1].pk if len(found) > EVENTS_A_PAGE else None,
        "only": only,
        "groups": GROUPS,
        "may_note": rights.can("note", database),
        "may_audit": rights.can("audit"),
        "longest_note": LONGEST,
    }
