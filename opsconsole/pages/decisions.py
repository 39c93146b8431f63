"""What people decide on an operation's page: approve, reject, withdraw, cancel, ask again, settle. All by POST."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters

from opsconsole import operations, reauth
from opsconsole.middleware import client_address
from opsconsole.models import Operation
from opsconsole.pages import drafts
from opsconsole.pages.base import account_of, page

POST = ("POST",)


@page(
    "operations/<int:pk>/approve/",
    name="operation-approve",
    permission="see",
    scope="operation",
    methods=POST,
    act="approving",
)
@sensitive_post_parameters("password")
def approve(request: HttpRequest, operation: Operation) -> HttpResponse:
    """Vote for exactly the plan whose digest the form carries."""
    typed = operations.Typed(name=_text(request, "typed_name"), number=_text(request, "typed_number"))
    row = operations.approve(operation, typed=typed, **_decision(request, operation))
    drafts.forget(request, operation)
    messages.success(request, f"You approved it. Its state is now: {row.face.word}.")
    return redirect(operation)


@page(
    "operations/<int:pk>/reject/",
    name="operation-reject",
    permission="see",
    scope="operation",
    methods=POST,
    act="rejecting",
)
@sensitive_post_parameters("password")
def reject(request: HttpRequest, operation: Operation) -> HttpResponse:
    """A veto: the request ends here, whatever others said."""
    operations.reject(operation, **_decision(request, operation))
    drafts.forget(request, operation)
    messages.success(request, "You rejected it. Nothing was changed.")
    return redirect(operation)


@page(
    "operations/<int:pk>/withdraw/",
    name="operation-withdraw",
    permission="see",
    scope="operation",
    methods=POST,
    act="withdrawing the approval",
)
def withdraw(request: HttpRequest, operation: Operation) -> HttpResponse:
    operations.withdraw(operation, account=account_of(request), reason=_text(request, "reason"))
    messages.success(request, "Your approval is withdrawn.")
    return redirect(operation)


@page(
    "operations/<int:pk>/cancel/",
    name="operation-cancel",
    permission="see",
    scope="operation",
    methods=POST,
    act="cancelling",
)
def cancel(request: HttpRequest, operation: Operation) -> HttpResponse:
    row = operations.cancel(operation, account=account_of(request), reason=_text(request, "reason"))
    messages.success(request, f"Its state is now: {row.face.word}.")
    return redirect(operation)


@page(
    "operations/<int:pk>/retry/",
    name="operation-retry",
    permission="request",
    scope="operation",
    methods=POST,
    act="asking again",
)
def retry(request: HttpRequest, operation: Operation) -> HttpResponse:
    """Ask for the same once more: a new operation with a new plan."""
    if operation.self_confirmed:
        reauth.prove(request, request.POST.get("password", ""))
    row = operations.retry(operation, account=account_of(request), confirm=_text(request, "confirm"))
    messages.success(request, f"Asked for again: this is operation {row.pk}, planned afresh.")
    return redirect(row)


@page(
    "operations/<int:pk>/settle/",
    name="operation-settle",
    permission="request",
    scope="operation",
    methods=POST,
    act="settling how it ended",
)
def settle(request: HttpRequest, operation: Operation) -> HttpResponse:
    """Say how an indeterminate operation ended; on a protected database a second person confirms it."""
    row = operations.settle(
        operation, account=account_of(request), outcome=_text(request, "outcome"), reason=_text(request, "reason")
    )
    messages.success(
        request, "It is settled." if row.pk == operation.pk else "A second person must confirm what you say."
    )
    return redirect(row)


def _decision(request: HttpRequest, operation: Operation) -> dict[str, Any]:
    drafts.keep(request, operation, _text(request, "reason"))
    proved = reauth.prove(request, request.POST.get("password", ""))
    return {
        "account": account_of(request),
        "digest": _text(request, "digest"),
        "reason": _text(request, "reason"),
        "auth_at": proved,
        "ip": client_address(request),
    }


def _text(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "").strip()[:4000]
