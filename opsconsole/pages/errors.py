"""The pages of refusals that Django finds before our views do. Each says why, and what to do."""

from __future__ import annotations

import sys

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template import loader

from opsconsole.failures import foreseen
from opsconsole.models import Role
from opsconsole.pages.base import PAGES
from opsconsole.permissions import ACTIONS

_CODES = {400: "bad_request", 403: "not_allowed", 404: "not_found"}


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(
        request,
        400,
        "The request makes no sense",
        "The browser sent something this page cannot read.",
        "Go back, load the page again and repeat what you did.",
    )


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: names the roles that would be allowed."""
    action = str(exception or "")
    if action in ACTIONS:
        roles = " or ".join(Role(role).label for role in sorted(ACTIONS[action]))
        return _page(
            request,
            403,
            "That needs another role",
            f"This page is for the role {roles}, which you do not hold here.",
            "Ask an administrator to request that role for you; a second person confirms it.",
        )
    return _page(
        request,
        403,
        "Not allowed",
        "Nobody may do this here, or not with your roles.",
        "Go back to where you came from.",
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form was not ours, or the session changed since it was shown."""
    return _page(
        request,
        403,
        "The form was not accepted",
        "The form came from another site, or you signed in or out since it was shown.",
        "Load the page again and send the form once more.",
    )


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: in the words of the page that did not find its object, where one of ours was asked for."""
    ours = request.resolver_match is not None and hasattr(request.resolver_match.func, "page")
    return _page(
        request,
        404,
        "Nothing here",
        (str(exception) if ours else "") or "There is nothing under this address, or nothing that you may see.",
        "Look in the list it should be in, or ask for a role in its owner group.",
        back=_list_above(request.path),
    )


def _list_above(path: str) -> str:
    """The address of the list in which what was asked for would stand: of /operations/7/, /operations/."""
    above = f"/{path.strip('/').partition('/')[0]}/"
    known = any(f"/{each.route}" == above and "GET" in each.methods for each in PAGES.values())
    return above if known and above != path else ""


def broken(request: HttpRequest) -> HttpResponse:
    """500, or 503 when a disk or the console's own database is at fault; needs no database and no session."""
    error = sys.exc_info()[1]  # Django calls this while it handles the exception
    found = foreseen(error) if isinstance(error, Exception) else None
    if _is_program(request):
        why = found.why if found else "The console made a mistake, which its log tells."
        told = {"refused": found.code if found else "broken", "why": why, "next": found.next_step if found else ""}
        return JsonResponse(told, status=500 if found is None else 503)
    text = loader.render_to_string("console/broken.html", {"found": found})
    return HttpResponse(text, status=500 if found is None else 503)


def _page(request: HttpRequest, status: int, title: str, why: str, next_step: str, *, back: str = "") -> HttpResponse:
    if _is_program(request):
        return JsonResponse({"refused": _CODES[status], "why": why, "next": next_step}, status=status)
    context = {"title": title, "why": why, "next_step": next_step, "crumbs": [], "back": back}
    if getattr(request, "user", None) is None or not request.user.is_authenticated:
        return render(request, "console/stranger.html", context, status=status)
    return render(request, "console/error.html", {**admin.site.each_context(request), **context}, status=status)


def _is_program(request: HttpRequest) -> bool:
    """Whether it was asked below /api/, where answers are JSON."""
    return request.path.startswith("/api/")
