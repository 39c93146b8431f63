"""The declared version of a database as a tab of its page: what is said, by whom, since when, and what was before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.http import HttpRequest, HttpResponse

from lifecycle.models import DeclaredVersion
from lifecycle.versions import declared
from opsconsole.databases import engine_for
from opsconsole.exceptions import OpsError
from opsconsole.models import Database
from opsconsole.pages.asking import ask, said
from opsconsole.pages.base import fragment, page, rights_of
from opsconsole.pages.tabs import Tab, register_tab

SHOWN = 50


@dataclass(frozen=True)
class Turn:
    """One declaration, and what counted before it."""

    row: DeclaredVersion
    before: DeclaredVersion | None


def version_tab(request: HttpRequest, database: Database) -> Mapping[str, Any]:
    """What counts now, every declaration before it, and the form for the next one."""
    rows: list[DeclaredVersion | None] = list(declared.history(database)[: SHOWN + 1])
    turns = [Turn(row, before) for row, before in pairwise([*rows, None]) if row is not None]
    try:
        stated, problem = declared.of(database), None
    except OpsError as error:
        stated, problem = None, error
    return {
        "stated": stated,
        "problem": problem,
        "turns": turns[:SHOWN],
        "rules": sorted(declared.RULES),
        "can_ask": rights_of(request).can("request", database),
    }


@page("databases/<slug:name>/version/hint/", name="version-hint", permission="see", scope="database", background=True)
def version_hint(request: HttpRequest, database: Database) -> HttpResponse:
    """What the database says of itself, read after the page is there."""
    try:
        told = declared.hint(engine_for(database))
    except OpsError:
        told = ""
    return fragment(request, "lifecycle/_version_hint.html", database=database, told=told)


@page("databases/<slug:name>/version/declare/", name="version-declare", permission="request", scope="database",
      methods=("POST",))  # fmt: skip
def declare_version(request: HttpRequest, database: Database) -> HttpResponse:
    """Ask for a declaration; another person confirms it."""
    given = {"database": database.pk, **{name: said(request, name) for name in ("version", "name", "rules")}}
    return ask(request, declared.ACTION, given, reason=said(request, "reason"))


register_tab(
    Tab(
        name="version", label="Version", icon="history", order=18,
        template="lifecycle/version.html", content=version_tab,
    )
)  # fmt: skip
