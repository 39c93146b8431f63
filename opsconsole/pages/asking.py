"""Asking for a change of the console: one way for every form, and one way to say where the request stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from opsconsole import operations
from opsconsole.exceptions import OpsError
from opsconsole.models import Operation
from opsconsole.states import State

PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}  # for names, not prose


class AskingForm(forms.Form):
    """A form whose outcome is a change request: its own fields, then the reason."""

    def refuse(self, error: OpsError) -> None:
        """Show a refusal above the fields: why, and what to do."""
        self.add_error(None, f"{error.why} {error.next_step}".strip())


class Names(forms.CharField):
    """Names with commas or spaces between them, as a sorted list."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, widget=forms.TextInput(attrs=PLAIN), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return sorted(set(str(value or "").replace(",", " ").split()))


class ReasonField(forms.CharField):
    """Why it is asked for; the person who decides reads it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label="Reason",
            max_length=1000,
            widget=forms.Textarea(attrs={"rows": 2}),
            help_text="The person who confirms it reads this, and so does the audit.",
            **kwargs,
        )


def said(request: HttpRequest, name: str) -> str:
    """A text of a small form, without blanks around it."""
    return request.POST.get(name, "").strip()


def ask(request: HttpRequest, action: str, parameters: Mapping[str, Any], *, reason: str) -> HttpResponse:
    """Raise the change and go to its operation, which says what it waits for; or to the same one that waits already.

    Raises OpsError when it is refused.
    """
    try:
        operation = operations.request_change(action, parameters, account=request.user, reason=reason)  # type: ignore[arg-type]
        tell(request, operation)
    except operations.AlreadyWaits as refusal:
        operation = refusal.operation
        messages.error(request, f"{refusal.why} This is its page; nothing was asked for a second time.")
    return redirect("operation", pk=operation.pk)


def tell(request: HttpRequest, operation: Operation) -> None:
    """One sentence on top of the next page: done, waiting, or not possible."""
    if operation.state == State.SUCCEEDED:
        messages.success(request, f"Done: {operation.plan.summary}")
    elif operation.state == State.PENDING_APPROVAL:
        messages.info(request, "Asked for. Nothing changes until another person confirms it on this page.")
    else:
        messages.error(request, f"It could not be done: {operation.failure_why or operation.state_reason}")
