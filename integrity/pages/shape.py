"""The shape that a database has today, or that another one has, to be expected from now on."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from integrity.pages.reports import integrity_crumbs
from integrity.rules import taking
from integrity.rules.in_force import ACTION
from integrity.rules.kinds.shape import counted
from opsconsole import heads
from opsconsole.exceptions import Usage
from opsconsole.models import Database
from opsconsole.pages.asking import ask, said
from opsconsole.pages.base import account_of, page, show
from opsconsole.pages.tabs import header
from opsconsole.permissions import visible_databases

MIGRATIONS = "-migrations"  # no database has that name


@page(
    "databases/<slug:name>/shape/", name="shape", permission="request", scope="database", methods=("GET", "POST"),
    act="expecting a shape",
)  # fmt: skip
def shape(request: HttpRequest, database: Database) -> HttpResponse:
    """What would be expected, what is not like that now, and asking for it."""
    sources = _sources(request, database)
    from_head = (request.POST or request.GET).get("like", "") == MIGRATIONS
    source = database if from_head else _source(request, database, sources)
    rule, head = taking.take_head(database) if from_head else (taking.take(source), None)
    if request.method == "POST":
        return ask(request, ACTION, taking.asked_for(rule, database), reason=said(request, "reason"))
    context = {**header(request, database), "title": f"Expected shape of {database.name}"}
    context |= {"crumb": "Expected shape", "crumbs": integrity_crumbs(database)}
    return show(
        request,
        "integrity/shape.html",
        **context,
        source=source,
        sources=sources,
        rule=rule,
        holds=counted(rule.spec),
        head=head,
        has_head=heads.newest(database) is not None,
        differences=taking.differences(rule, database) if head or source != database else [],
    )


def _sources(request: HttpRequest, database: Database) -> QuerySet[Database]:
    rows = visible_databases(account_of(request)).filter(removed_at=None, engine=database.engine)
    return rows.exclude(pk=database.pk).order_by("name")


def _source(request: HttpRequest, database: Database, sources: QuerySet[Database]) -> Database:
    like = (request.POST or request.GET).get("like", "")
    if like in ("", database.name):
        return database
    found = sources.filter(name=like).first()
    if found is None:
        raise Usage("unknown_database", f"There is no database {like} of that engine.", "Choose another one.")
    return found
