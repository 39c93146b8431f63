"""The migrations of a database as a tab of its page: a folder beside its ledger, what to do next, and what was run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from lifecycle.migrating import folders
from lifecycle.migrating.expecting import Missing
from lifecycle.migrating.recognising import recognise
from lifecycle.migrating.status import DONE, RUNNABLE, Line, Status, status_of, validate
from lifecycle.models import MigrationFolder, MigrationRun
from lifecycle.pages.runs import changed
from lifecycle.sources.base import State
from lifecycle.sources.detection import Unclear
from lifecycle.uploads import streaming
from opsconsole.databases import engine_for
from opsconsole.exceptions import OpsError, Usage
from opsconsole.models import Database
from opsconsole.pages.asking import said
from opsconsole.pages.base import account_of, page, rights_of
from opsconsole.pages.tabs import Tab, register_tab, verbs_for

FOLDERS = 10
RUNS = 20
SIGNS = {
    State.APPLIED: ("green", "check_circle"),
    State.PENDING: ("blue", "schedule"),
    State.EDITED: ("amber", "edit"),
    State.HALF: ("red", "error"),
    State.SKIPPED: ("amber", "block"),
    State.UNKNOWN: ("grey", "help"),
    State.UNDONE: ("grey", "undo"),
}


@dataclass(frozen=True)
class Act:
    """What may be asked for now, as a link to its form."""

    label: str
    url: str


def migrations_tab(request: HttpRequest, database: Database) -> Mapping[str, Any]:
    """The folder that was chosen, or else brought last, beside the ledger as it is now; and what was run."""
    rows = list(MigrationFolder.objects.filter(database=database).select_related("received_by__person")[:FOLDERS])
    asked = {name: request.GET.get(name, "").strip() for name in ("folder", "tool", "path")}
    runs = MigrationRun.objects.filter(database=database).select_related("operation__requester__person")[:RUNS]
    found: dict[str, Any] = {}
    if rows:
        found = _beside(request, database, asked)
    return {
        "folders": rows,
        "runs": [(run, changed(run)) for run in runs],
        "can_bring": rights_of(request).can("request", database),
        "days": settings.FOLDER_DAYS,
        "roots": [str(root) for root in settings.OPSCONSOLE_ROOTS],
        **found,
    }


@page("databases/<slug:name>/migrations/folder/", name=streaming.FOLDER_PAGE, permission="request", scope="database",
      methods=("POST",), act="bringing a folder")  # fmt: skip
def bring_folder(request: HttpRequest, database: Database) -> HttpResponse:
    """Keep the files of the form, or the folder of the console's machine that it names, and show it."""
    pieces, path = streaming.received_pieces(request), said(request, "path")
    if bool(pieces) == bool(path):
        raise Usage("one_folder", "Nothing was brought, or two things.", "Choose files, or a folder, or write a path.")
    account = account_of(request)
    if path:
        row = folders.from_root(database, path, account)
    else:
        names = _paths(request, len(pieces)) or [name for name, _ in pieces]
        given = [(name, file) for name, (_, file) in zip(names, pieces, strict=True)]
        row = folders.from_upload(database, account, given)
    messages.success(request, f"Folder {row.pk} ({row.name}) has {row.files} files that migration tools read.")
    return redirect(f"{reverse('database-migrations', kwargs={'name': database.name})}?folder={row.pk}")


def _paths(request: HttpRequest, count: int) -> list[str]:
    """The paths of a folder's files, which a script of the page tells, because browsers send names alone."""
    try:
        told = json.loads(said(request, "paths") or "[]")
    except ValueError:
        told = []
    return told if isinstance(told, list) and len(told) == count and all(isinstance(each, str) for each in told) else []


def _beside(request: HttpRequest, database: Database, asked: Mapping[str, str]) -> dict[str, Any]:
    """The folder beside the ledger; or the question, or the problem, that keeps it from being seen."""
    row = None
    try:
        row = folders.find(database, asked["folder"])
        engine = engine_for(database)
        subject = recognise(
            database, engine, folders.open_folder(row), tool=asked["tool"], path=asked["path"], said=row.name
        )
        status = status_of(engine, subject)
        missing = validate(engine, status)
    except Unclear as question:
        choices = [
            (label or value, "?" + urlencode({**_given(asked), question.parameter: value}))
            for value, label in question.choices
        ]
        return {"folder": row, "problem": question, "choices": choices}
    except OpsError as problem:
        return {"folder": row, "problem": problem}
    return {"folder": row, "standing": status, "missing": _told(missing), "lines": _lines(request, row, status)}


def _given(asked: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in asked.items() if value}


def _lines(request: HttpRequest, row: MigrationFolder, status: Status) -> list[tuple[Line, str, str, Act | None]]:
    """Each line with its colour, its sign and what may be asked for."""
    kinds = {kind.name for kind in verbs_for(rights_of(request), row.database)}
    applied = [line for line in status.lines if line.state in DONE]
    last = applied[-1] if applied else None
    return [(line, *SIGNS[line.state], _act(row, status, line, kinds, is_last=line is last)) for line in status.lines]


def _act(row: MigrationFolder, status: Status, line: Line, kinds: set[str], *, is_last: bool) -> Act | None:
    if line.state in RUNNABLE and not status.refusals:
        first = line is status.pending[0]
        wanted = ("migrate", "Apply it" if first else "Apply up to here", {"to": line.name})
    elif is_last and line.entry.migration and line.entry.migration.down and not status.refusals:
        wanted = ("rollback", "Take it back", {})
    elif line.state != State.APPLIED:
        wanted = ("resolve", "Resolve it", {"migration": line.name})
    else:
        return None
    kind, label, parameters = wanted
    if kind not in kinds:
        return None
    asked = {"brought": str(row.pk), **_given(status.subject.chosen), **parameters}
    return Act(label, f"{reverse('request', kwargs={'name': row.database.name, 'kind': kind})}?{urlencode(asked)}")


def _told(missing: Missing) -> dict[str, Any]:
    there = (
        f"{missing.expected_tables - len(missing.tables)} of {missing.expected_tables} tables and "
        f"{missing.expected_indexes - len(missing.indexes)} of {missing.expected_indexes} indexes"
    )
    expected = missing.expected_tables + missing.expected_indexes
    return {
        "tables": missing.tables,
        "indexes": missing.indexes,
        "there": there if expected else "",
        "unread": missing.unread,
    }


register_tab(
    Tab(
        name="migrations", label="Migrations", icon="schema", order=12,
        template="lifecycle/migrations.html", content=migrations_tab,
    )
)  # fmt: skip
