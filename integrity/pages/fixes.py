"""The exact rows of a fix on the page of its operation, and what its findings had before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from integrity.fixing import parts
from integrity.fixing.parts import Part
from opsconsole.exceptions import OpsError
from opsconsole.models import Operation
from opsconsole.pages.base import fragment, page, show
from opsconsole.pages.panels import Panel, register_panel

KIND, BACK = "fix", "unfix"
ROWS_A_PAGE = 20


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is said of a fix: its findings as planned, their numbers by now, and how many rows are listed."""

    operation: Operation
    findings: Sequence[Mapping[str, Any]]
    rows: int


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Some rows of one part; `number` is the part's, `start` and `end` are rows of it, from 1 on. `back` is whether
    they are put back.
    """

    number: int
    part: Part
    count: int
    start: int
    end: int
    back: bool

    @property
    def heading(self) -> str:
        """What happens to the rows, before the name of their table."""
        if self.back:
            return "Put back into" if self.part.deletes else "Changed back in"
        return "Deleted from" if self.part.deletes else "Changed in"

    @property
    def nulls(self) -> Sequence[str]:
        """The columns that are NULL from then on."""
        return () if self.back or self.part.value else self.part.columns

    @property
    def rows(self) -> Sequence[tuple[Any, ...]]:
        return self.part.shown[self.start - 1 : self.end]

    @property
    def previous(self) -> int | None:
        return max(0, self.start - 1 - ROWS_A_PAGE) if self.start > 1 else None

    @property
    def next(self) -> int | None:
        return self.end if self.end < self.count else None


def of_plan(operation: Operation) -> Told:
    """What a plan lists; its rows come by a page of their own, for people who may see rows."""
    plan = operation.plan
    return Told(operation=operation, findings=plan.parameters.get("findings", ()), rows=sum(parts.rows_of(plan)))


def of_result(operation: Operation) -> Sequence[Mapping[str, Any]] | None:
    """The findings before and after, once it has run."""
    return operation.result.get("findings") or None


@page("operations/<int:pk>/rows/", name="operation-rows", permission="see_data", scope="operation")
def operation_rows(request: HttpRequest, operation: Operation) -> HttpResponse:
    """The rows that a fix changes, or puts back, masked, a page at a time."""
    if operation.kind not in (KIND, BACK):
        raise Http404("Only a fix lists rows, and what takes one back.")
    context: dict[str, Any] = {"operation": operation}
    try:
        context["shown"] = _shown(parts.opened(operation.plan), request, back=operation.kind == BACK)
    except OpsError as error:
        context["problem"] = error
    if request.headers.get("HX-Request"):
        return fragment(request, "integrity/_fix_listing.html", **context)
    crumbs = [("Operations", "/operations/"), (str(operation.pk), operation.get_absolute_url())]
    title = f"Rows of {operation.kind} {operation.pk}"
    return show(request, "integrity/fix_rows.html", title=title, crumbs=crumbs, crumb="Rows", **context)


def _shown(listed: Sequence[Part], request: HttpRequest, *, back: bool) -> list[Shown]:
    """Every part from its first row on, but the one that is asked for."""
    asked, at = _number(request.GET.get("part", "")), _number(request.GET.get("from", ""))
    shown = []
    for number, part in enumerate(listed):
        start = at if number == asked else 0
        end = min(start + ROWS_A_PAGE, len(part.aims))
        shown.append(Shown(number=number, part=part, count=len(part.aims), start=start + 1, end=end, back=back))
    return shown


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 7 else 0


register_panel(KIND, Panel(template="integrity/_fix_rows.html", content=of_plan, evidence=True))
register_panel(BACK, Panel(template="integrity/_fix_rows.html", content=of_plan, evidence=True))
register_panel(KIND, Panel(template="integrity/_fix_result.html", content=of_result))
