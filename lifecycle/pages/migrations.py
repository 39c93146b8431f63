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

from lifecycle.migrating import folders, handing_over, roots
from lifecycle.migrating.expecting import Missing
from lifecycle.migrating.recognising import recognise
from lifecycle.migrating.status import Line, Status, status_of, validate
from lifecycle.models import MigrationFolder, MigrationRun
from lifecycle.pages.runs import shown
from lifecycle.sources.base import DONE, RUNNABLE, State
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
        "runs": shown(runs),
        "can_bring": rights_of(request).can("request", database),
        "days": settings.FOLDER_DAYS,
        "roots": roots.offered(database),
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
    may = frozenset(kind.name for kind in verbs_for(rights_of(request), database))
    offers = Offers(row, status, may)
    return {
        "folder": row,
        "standing": status,
        "missing": _told(missing),
        "lines": [(line, *SIGNS[line.state], offers.of_line(line)) for line in status.lines],
        "acts": offers.of_all(missing),
    }


def _given(asked: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in asked.items() if value}


@dataclass(frozen=True)
class Offers:
    """What somebody may ask for now, about a folder beside its ledger; `kinds` are those that they may ask for."""

    row: MigrationFolder
    status: Status
    kinds: frozenset[str]

    def of_line(self, line: Line) -> list[Act]:
        """What fits the state of one migration, the likeliest first."""
        name, state = line.name, line.state
        if state in RUNNABLE and not self.status.refusals:
            first = line is self.status.pending[0]
            return [
                *(self._act("doctor", "Ask the doctor") if line.tried else []),
                *self._act("migrate", "Apply it" if first else "Apply up to here", to=name),
                *self._act("rehearse", "Rehearse it" if first else "Rehearse up to here", to=name),
                *(self._act("handover", "Hand it over for a remote D1", to=name) if self._is_d1() else []),
            ]
        if state == State.HALF:
            return [*self._act("doctor", "Ask the doctor"), *self._act("resolve", "Set it right", migration=name)]
        if state == State.UNKNOWN:
            return self._act("resolve", "Mark it as not applied", migration=name, do="rolled_back")
        if state == State.SKIPPED:
            return self._act("resolve", "Mark it as applied", migration=name, do="applied")
        if not self._is_last_with_a_way_back(line):
            return []
        return [*self._act("rollback", "Take it back"), *self._act("rehearse", "Rehearse that", mode="back")]

    def of_all(self, missing: Missing) -> list[Act]:
        """The doctor, where ledger and schema may not agree: a tool that stops, tables that are missing, no ledger."""
        odd = self.status.refusals or missing.tables or not self.status.seen.ledger.exists
        return self._act("doctor", "Ask the doctor") if odd and self.status.lines else []

    def _is_last_with_a_way_back(self, line: Line) -> bool:
        applied = [each for each in self.status.lines if each.state in DONE]
        if self.status.refusals or not applied or line is not applied[-1]:
            return False
        return line.entry.migration is not None and bool(line.entry.migration.down)

    def _is_d1(self) -> bool:
        return self.status.seen.place.d1 and self.status.subject.source.name == handing_over.TOOL

    def _act(self, kind: str, label: str, **parameters: str) -> list[Act]:
        if kind not in self.kinds:
            return []
        asked = {"brought": str(self.row.pk), **_given(self.status.subject.chosen), **parameters}
        form = reverse("request", kwargs={"name": self.row.database.name, "kind": kind})
        return [Act(label, f"{form}?{urlencode(asked)}")]


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
