"""What was handed over for a D1 at Cloudflare, to fetch with its commands; and how an export compared with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from lifecycle.migrating import handing_over
from opsconsole.models import Operation
from opsconsole.pages.base import page
from opsconsole.pages.panels import Panel, register_panel
from opsconsole.states import State


@page("operations/<int:pk>/handover.tar", name="handover", permission="see", scope="operation")
def handover_files(request: HttpRequest, operation: Operation) -> HttpResponse:
    """Made of the sealed plan, whose SQL whoever sees the operation can read anyway."""
    if not _is_handed_over(operation):
        raise Http404("Nothing has been handed over by that operation.")
    response = HttpResponse(handing_over.archive(operation.plan.parameters), content_type="application/x-tar")
    response.headers["Content-Disposition"] = f'attachment; filename="handover-{operation.pk}.tar"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def handed_over(operation: Operation) -> Mapping[str, Any] | None:
    """None until it was approved and done."""
    if not _is_handed_over(operation):
        return None
    given = operation.plan.parameters
    return {
        "operation": operation,
        "migrations": given["migrations"],
        "commands": handing_over.commands(given["d1_name"]),
        "name": given["d1_name"],
        **{name: operation.result[name] for name in ("sha256", "bytes")},
    }


def compared(operation: Operation) -> Mapping[str, Any] | None:
    """None while nothing was found."""
    return operation.result if "agrees" in operation.result else None


def _is_handed_over(operation: Operation) -> bool:
    return operation.kind == "handover" and operation.state == State.SUCCEEDED


register_panel("handover", Panel(template="lifecycle/migrations/_handover.html", content=handed_over))
register_panel("compare", Panel(template="lifecycle/migrations/_compared.html", content=compared))
