"""How the console itself stands."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from opsconsole import system
from opsconsole.instance import instance_id
from opsconsole.models import WorkerHost
from opsconsole.pages.base import page, show
from opsconsole.posture import Level, Posture


@page("system/", name="system", permission="see")
def system_page(request: HttpRequest) -> HttpResponse:
    """Can it do its work, and can it be trusted to tell of it?"""
    posture = Posture(tuple(system.lines()))
    return show(
        request,
        "console/system.html",
        title="This console",
        crumbs=[],
        posture=posture,
        needs=[line for line in posture.lines if line.level >= Level.WATCH],
        told=[line for line in posture.lines if line.level == Level.UNKNOWN],
        well=[line for line in posture.lines if line.level == Level.GOOD],
        hosts=WorkerHost.objects.order_by("name"),
        instance=instance_id(),
    )
