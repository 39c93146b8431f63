"""The list of databases, and one database: its overview, its data, its history, its notes and the connection test."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from opsconsole import approvals, databases
from opsconsole.clock import now
from opsconsole.databases.notes import write_note
from opsconsole.engines.base import Table
from opsconsole.exceptions import OpsError
from opsconsole.kinds import Kind
from opsconsole.models import Database, Environment, Membership, Role
from opsconsole.pages.asking import said
from opsconsole.pages.base import fragment, page, rights_of, show
from opsconsole.pages.history import history_content
from opsconsole.pages.sections import sections_of
from opsconsole.pages.tabs import OVERVIEW, Tab, find_tab, kinds_on, register_tab, show_tab
from opsconsole.permissions import Rights, visible_databases
from opsconsole.posture import Posture, posture_of
from opsconsole.targets import plan_target

LARGEST = 12  # tables in the chart of sizes


@dataclass(frozen=True)
class Card:
    """One database in the list."""

    database: Database
    posture: Posture
    may_request: bool


@page("databases/", name="databases", permission="see")
def database_list(request: HttpRequest) -> HttpResponse:
    """Every database that one may see, by environment, worst first within each."""
    rows = list(visible_databases(request.user).order_by("-environment__order", "name"))  # type: ignore[arg-type]
    wanted = request.GET.get("environment", "")
    shown = [row for row in rows if wanted in ("", row.environment.name)]
    return show(
        request,
        "console/databases/list.html",
        title="Databases",
        crumbs=[],
        groups=_grouped(shown, rights_of(request)),
        environments=sorted({row.environment for row in rows}, key=lambda environment: environment.order),
        wanted=wanted,
        total=len(rows),
        may_administer=rights_of(request).can("administer"),
    )


@page("databases/<slug:name>/test/", name="database-test", permission="request", scope="database", methods=("POST",))
def test_connection(request: HttpRequest, database: Database) -> HttpResponse:
    """Ask the target, and say in words what is wrong or worth knowing."""
    checks = databases.check(database)
    database.refresh_from_db()
    if request.headers.get("HX-Request"):
        return fragment(request, "console/databases/_checks.html", database=database, checks=checks)
    return show_tab(request, database, find_tab(OVERVIEW), checks=checks)


@page("databases/<slug:name>/notes/", name="database-notes", permission="note", scope="database", methods=("POST",))
def add_note(request: HttpRequest, database: Database) -> HttpResponse:
    """Write a note into the history."""
    write_note(database, said(request, "text"), account=request.user)  # type: ignore[arg-type]
    messages.success(request, f"Your note about {database.name} is in its history.")
    return redirect("database-history", name=database.name)


@page("databases/<slug:name>/sizes/", name="database-sizes", permission="see", scope="database", background=True)
def table_sizes(request: HttpRequest, database: Database) -> HttpResponse:
    """The largest tables, read from the target after the page is there, so that a slow target does not hold it up."""
    try:
        engine = databases.engine_for(database)
        tables, total = engine.tables(), engine.size_bytes()
    except OpsError as error:
        return fragment(request, "console/databases/_sizes.html", database=database, error=error)
    largest = sorted(tables, key=lambda table: -(table.size_bytes or 0))[:LARGEST]
    in_tables = sum(table.size_bytes or 0 for table in tables)
    context = {"bars": bars(largest), "total": total, "tables": len(tables), "in_tables": in_tables}
    return fragment(request, "console/databases/_sizes.html", database=database, **context)


def bars(tables: Sequence[Table]) -> list[tuple[Table, int]]:
    """Each table with the length of its bar in percent of the largest."""
    largest = max((table.size_bytes or 0 for table in tables), default=0) or 1
    return [(table, round((table.size_bytes or 0) * 100 / largest)) for table in tables]


def overview(request: HttpRequest, database: Database) -> Mapping[str, Any]:
    """Posture with its reasons, identity, and who must agree to what."""
    asked = {kind.label: _rule(kind, database) for kind in kinds_on(database) if kind.mutates}
    seats = {role for rule in asked.values() for clause in rule.clauses for role in clause.roles}
    return {
        "posture": posture_of([database])[database.pk],
        "rules": _who_agrees(asked),
        "approvers": _holders(database, seats or {Role.APPROVER}),
        "engineers": _holders(database, {Role.ENGINEER}),
        "sections": sections_of(request, database),
        "open_operations": database.operations.filter(finished_at=None).select_related("requester__person")[:5],
    }


def data(request: HttpRequest, database: Database) -> Mapping[str, Any]:
    """The tables; with `?table=`, one page of rows, masked. What cannot be read is told within the tab."""
    wanted, after = request.GET.get("table", ""), request.GET.get("after", "")
    account: Any = request.user
    try:
        if wanted:
            return {"rows": databases.data_page(database, wanted, after, account), "after": after}
        return {"bars": bars(databases.data_tables(database, account))}
    except OpsError as error:
        return {"error": error}


def _grouped(rows: Sequence[Database], rights: Rights) -> list[tuple[Environment, list[Card]]]:
    posture = posture_of(rows)
    cards = [Card(row, posture[row.pk], rights.can("request", row)) for row in rows]
    return [
        (environment, sorted(found, key=lambda card: (-card.posture.level, card.database.name)))
        for environment, found in groupby(cards, key=lambda card: card.database.environment)
    ]


def _who_agrees(asked: Mapping[str, approvals.Requirement]) -> list[tuple[str, tuple[str, ...]]]:
    """Names of kinds, and the sentences that they have in common: what is asked alike is told once."""
    found: dict[tuple[str, ...], list[str]] = {}
    for label, rule in asked.items():
        found.setdefault(rule.sentences, []).append(label)
    return [(", ".join(labels), sentences) for sentences, labels in found.items()]


def _rule(kind: Kind, database: Database) -> approvals.Requirement:
    return approvals.requirement_for(kind, (plan_target(database, None),), at=now())


def _holders(database: Database, roles: Collection[str]) -> list[str]:
    rows = Membership.objects.filter(owner_group=database.owner_group, role__in=roles, person__is_service=False)
    return list(rows.order_by("person__name").values_list("person__name", flat=True).distinct())


register_tab(
    Tab(
        name=OVERVIEW,
        label="Overview",
        icon="info",
        order=0,
        template="console/databases/overview.html",
        content=overview,
    )
)
register_tab(
    Tab(
        name="data", label="Data", icon="table", order=50, action="see_data",
        template="console/databases/data.html", content=data,
    )
)  # fmt: skip
register_tab(
    Tab(
        name="history", label="History", icon="history", order=60,
        template="console/databases/history.html", content=history_content,
    )
)  # fmt: skip
