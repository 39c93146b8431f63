"""What the page of a backup and that of a patch share: the card to download it, and the three answers behind it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from lifecycle.backups import downloads
from lifecycle.models import Stored
from opsconsole import reauth
from opsconsole.pages.asking import ask, said
from opsconsole.pages.base import account_of, rights_of


def card(request: HttpRequest, item: Stored) -> dict[str, Any]:
    """What `lifecycle/_download.html` shows."""
    return {
        "item": item,
        "can_download": downloads.is_there(item) and rights_of(request).can("download", item.database),
        "needs_approval": downloads.needs_approval(item),
        "grant": downloads.usable_grant(item, account_of(request)),
        "proved": reauth.proved_at(request),
    }


def ask_first(request: HttpRequest, item: Stored) -> HttpResponse:
    """On a protected database, another person agrees before a copy of its data leaves the console."""
    return ask(request, downloads.action(item), {item.noun: item.pk}, reason=said(request, "reason"))


def hand_out(request: HttpRequest, item: Stored) -> HttpResponseBase:
    """It as a tar, once the password was asked; recorded before the first byte leaves."""
    reauth.prove(request, request.POST.get("password", ""))
    begun = downloads.begin(item, account_of(request))
    response = StreamingHttpResponse(begun.stream(), content_type="application/x-tar")
    response.headers["Content-Disposition"] = f'attachment; filename="{begun.filename}"'
    response.headers["Content-Length"] = str(begun.size)
    response.headers["Content-Encoding"] = "identity"  # it is compressed already, and its length must stay true
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
