"""The SQL of migrations on the pages of their operations, with what the review found beside its lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from lifecycle.migrating import showing
from lifecycle.migrating.sheets import Counted, Layout, Sheet, counted, found_in
from lifecycle.sources.acts import Unit, unit_from
from opsconsole.models import Operation
from opsconsole.pages.base import page
from opsconsole.pages.panels import Panel, register_panel
from opsconsole.plans import Plan
from opsconsole.review import Dialect

TEMPLATE = "lifecycle/migrations/_sql.html"
SECTION = "oc-sql"
KINDS = ("migrate", "rollback", "resolve", "rehearse", "handover")
LINKED = 12  # findings of a severity
GROUPS = {"units": "", "back": "The way back, tried afterwards", "all_units": "On an empty database"}


@dataclass(frozen=True)
class Group:
    """Units under a heading of their own; `left_out` of them are not shown at all."""

    heading: str
    sheets: Sequence[Sheet]
    left_out: int


@dataclass(frozen=True)
class Told:
    """What a page shows of a plan's SQL. It is only laid out when the template asks for it."""

    operation: Operation

    @cached_property
    def counts(self) -> list[Counted]:
        return counted(found_in(self._given), LINKED)

    @cached_property
    def reviewed(self) -> bool:
        """Whether its plan holds what a review found, be it nothing."""
        return "findings" in self._given

    @cached_property
    def groups(self) -> list[Group]:
        database = self.operation.database
        dialect = Dialect.POSTGRESQL if database and database.engine == "postgresql" else Dialect.SQLITE
        layout, groups = Layout(dialect), []
        for name, heading in GROUPS.items():
            units, before = units_of(self._given, name), layout.left_out
            sheets = layout.sheets(units, found_in(self._given) if name == "units" else ())
            groups.append(Group(heading, sheets, layout.left_out - before))
        return [group for group in groups if group.sheets or group.left_out]

    @cached_property
    def _given(self) -> Mapping[str, Any]:
        return self.operation.plan.parameters


@page("operations/<int:pk>/plan.sql", name="operation-sql", permission="see", scope="operation")
def operation_sql(request: HttpRequest, operation: Operation) -> HttpResponse:
    """All the SQL of a plan of migrations, as a text; what people and tools would run by hand."""
    if operation.kind not in KINDS:
        raise Http404
    response = HttpResponse(as_text(operation.plan), content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="operation-{operation.pk}.sql"'
    return response


def as_text(plan: Plan) -> str:
    """Every text as it is sealed, in order, each unit under a comment with its title."""
    parts = []
    for name, heading in GROUPS.items():
        for unit in units_of(plan.parameters, name):
            title = f"{heading}: {unit.title}" if heading else unit.title
            parts.append(f"-- {' '.join(title.split())}\n{showing.text(unit)}")
    return "\n".join(parts)


def units_of(given: Mapping[str, Any], name: str) -> list[Unit]:
    """The units that a plan keeps under a name."""
    return [unit_from(each) for each in given.get(name, ())]


def of_plan(operation: Operation) -> Told:
    """On the page of whatever runs migrations."""
    return Told(operation)


for _kind in KINDS:
    register_panel(_kind, Panel(template=TEMPLATE, content=of_plan, evidence=True, sql=SECTION))
