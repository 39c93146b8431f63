"""Encryption of backups: for whom, what is wrong with that, which keys this console holds, and the recovery kit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from lifecycle.encryption import kit, recipients
from lifecycle.models import Recipient
from opsconsole import age_keys
from opsconsole.exceptions import OpsError
from opsconsole.models import Database, Environment
from opsconsole.pages import environments as _environments  # noqa: F401  (it declares the scope of an environment)
from opsconsole.pages.asking import PLAIN, AskingForm, ReasonField, ask, said
from opsconsole.pages.base import account_of, page, rights_of, show


class RecipientForm(AskingForm):
    label = forms.CharField(max_length=recipients.LONGEST_LABEL, help_text="Whose key it is, in a few words.")
    public_key = forms.CharField(
        label="Public key",
        max_length=100,
        widget=forms.TextInput(attrs=PLAIN),
        help_text="It begins with age1. age-keygen -y FILE prints it; never give a private key here.",
    )
    role = forms.ChoiceField(
        choices=[
            (Recipient.Role.OPS, "operations: for daily use"),
            (Recipient.Role.ESCROW, "escrow: its private key lies in a safe"),
        ]
    )
    reason = ReasonField()

    def forget_a_private_key(self) -> None:
        """One that was pasted by mistake is not sent back."""
        if age_keys.is_private(self.data.get("public_key", "")):
            self.data = {**self.data, "public_key": ""}


@page("encryption/", name="encryption", permission="see")
def encryption_page(request: HttpRequest) -> HttpResponse:
    """Every environment with its recipients, the strictest first."""
    kept = {key.public_key: key.name for key in age_keys.kept(settings.OPSCONSOLE_HOME)}
    rows = Recipient.objects.select_related("operation", "retired_by").order_by("id")
    environments = Environment.objects.order_by("-protected", "-order", "name")
    return show(
        request,
        "lifecycle/encryption.html",
        title="Encryption of backups",
        crumbs=[],
        environments=[_standing(each, rows, kept) for each in environments],
        keys=[(name, public, recipients.needing(public)[0].count()) for public, name in kept.items()],
        may_change=rights_of(request).can("administer"),
        may_download=rights_of(request).can("download"),
    )  # fmt: skip


@page(
    "encryption/<slug:name>/add/",
    name="recipient-add", permission="administer", scope="environment", methods=("GET", "POST"),
)  # fmt: skip
def add_recipient(request: HttpRequest, environment: Environment) -> HttpResponse:
    """Ask for one recipient more; another person confirms it."""
    form = RecipientForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = {name: form.cleaned_data[name] for name in ("label", "public_key", "role")}
        given["environment"] = environment.name
        try:
            return ask(request, recipients.ADD, given, reason=form.cleaned_data["reason"])
        except OpsError as error:
            form.refuse(error)
            form.forget_a_private_key()
    title = f"Add a recipient of {environment.label}"
    crumbs = [("Encryption of backups", "/encryption/")]
    return show(
        request, "lifecycle/recipient_form.html", title=title, crumbs=crumbs, form=form, environment=environment
    )


@page(
    "encryption/<slug:name>/retire/",
    name="recipient-retire", permission="administer", scope="environment", methods=("POST",),
)  # fmt: skip
def retire_recipient(request: HttpRequest, environment: Environment) -> HttpResponse:
    """Ask for a recipient to be retired; another person confirms it."""
    given = {"environment": environment.name, "public_key": said(request, "public_key")}
    return ask(request, recipients.RETIRE, given, reason=said(request, "reason"))


@page("encryption/kit/", name="recovery-kit", permission="download", methods=("POST",))
def console_kit(request: HttpRequest) -> HttpResponseBase:
    """The recovery kit of every database whose backups the account may download; recorded before it leaves."""
    return _handed_out(kit.of_console(account_of(request)))


@page("databases/<slug:name>/kit/", name="database-kit", permission="download", scope="database", methods=("POST",))
def database_kit(request: HttpRequest, database: Database) -> HttpResponseBase:
    """The recovery kit of one database."""
    return _handed_out(kit.of_database(database))


def _handed_out(made: kit.Kit) -> HttpResponseBase:
    response = StreamingHttpResponse(made.stream(), content_type="application/x-tar")
    response.headers["Content-Disposition"] = f'attachment; filename="{made.folder}.tar"'
    response.headers["Content-Encoding"] = "identity"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _standing(environment: Environment, rows: Iterable[Recipient], kept: dict[str, str]) -> dict[str, Any]:
    here = [row for row in rows if row.environment_id == environment.pk]
    now_in = [row for row in here if row.retired_by_id is None]
    earlier = [row for row in here if row.retired_by_id is not None]
    return {
        "environment": environment,
        "warnings": recipients.warnings(environment, now_in),
        "rows": [(row, kept.get(row.public_key, "")) for row in now_in],
        "earlier": [(row, recipients.needing(row.public_key)[0].count()) for row in earlier],
    }
