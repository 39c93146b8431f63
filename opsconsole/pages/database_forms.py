"""Registering a database, changing its settings, taking it off the list: forms that ask for a confirmed change.

A URL that is typed here goes sealed into the request; no page, plan, event or error ever shows its secrets again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_post_parameters

from opsconsole.databases import Suggestion, registration, suggest
from opsconsole.databases.addresses import parse, url_from
from opsconsole.exceptions import OpsError, Refused
from opsconsole.models import Database, Environment, OwnerGroup
from opsconsole.models.databases import NAME
from opsconsole.pages.asking import PLAIN, AskingForm, Names, ReasonField, ask, said
from opsconsole.pages.base import fragment, page, show
from opsconsole.pages.tabs import header


class WhereForm(AskingForm):
    """Where the database is: by its URL, or by the name of the variable that holds it."""

    url = forms.CharField(
        label="URL",
        required=False,
        max_length=2000,
        strip=True,
        widget=forms.TextInput(attrs={**PLAIN, "placeholder": "postgresql://user:password@host:5432/name"}),
        help_text="postgresql://… or sqlite:///path. Kept encrypted, and never shown again.",
    )
    url_env = forms.CharField(
        label="Or the name of an environment variable that holds the URL",
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={**PLAIN, "placeholder": "SAVINGS_URL"}),
        help_text="Then the console keeps no secret at all; the console and its workers need the variable.",
    )


class AddForm(WhereForm):
    name = forms.CharField(
        label="Name",
        max_length=63,
        validators=[NAME],
        widget=forms.TextInput(attrs=PLAIN),
        help_text="What people will type to confirm: short, lower case, like savings.",
    )
    environment = forms.ModelChoiceField(
        Environment.objects.all(), to_field_name="name", empty_label="Choose what it really is"
    )
    owner_group = forms.CharField(
        label="Owner group", max_length=50, initial="default", widget=forms.TextInput(attrs=PLAIN)
    )
    queue = forms.CharField(max_length=63, initial="default", validators=[NAME], widget=forms.TextInput(attrs=PLAIN))
    tags = Names()
    reason = ReasonField()
    read_warnings = forms.BooleanField(label="I have read the warnings and it is right as it stands", required=False)
    field_order = ("name", "url", "url_env", "environment", "owner_group", "queue", "tags", "reason", "read_warnings")


class EditForm(WhereForm):
    environment = forms.ModelChoiceField(Environment.objects.all(), to_field_name="name", empty_label=None)
    owner_group = forms.ModelChoiceField(OwnerGroup.objects.all(), to_field_name="name", empty_label=None)
    queue = forms.CharField(max_length=63, validators=[NAME], widget=forms.TextInput(attrs=PLAIN))
    tags = Names()
    guarded_tables = Names(
        label="Guarded tables", help_text="Tables that an operation may not empty without saying so."
    )
    masked_columns = Names(
        label="Masked columns", help_text="Beside those masked by their names: column or table.column, never shown."
    )
    target_hours = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=registration.MOST_HOURS,
        label="Its newest good backup is at most so old (hours)",
        help_text="Beyond this the dashboard is red. 0: as its environment has it (24 hours where it is protected).",
    )
    reason = ReasonField()
    read_warnings = forms.BooleanField(label="I have read the warnings and it is right as it stands", required=False)
    field_order = (
        "environment", "owner_group", "queue", "tags", "guarded_tables", "masked_columns", "target_hours", "url",
        "url_env", "reason",
    )  # fmt: skip

    def clean_target_hours(self) -> int:
        """Nothing typed means nothing of its own."""
        return int(self.cleaned_data["target_hours"] or 0)


@page("new-database/", name="database-add", permission="administer", methods=("GET", "POST"))
@sensitive_post_parameters("url")
def add_database(request: HttpRequest) -> HttpResponse:
    """Ask for a database to be registered."""
    form, warnings = AddForm(request.POST or None), list[str]()
    if request.method == "POST" and form.is_valid():
        try:
            given = _addition(form.cleaned_data)
            warnings = _unread(form, given["warnings"])
            if not warnings:
                return ask(request, "database.add", given, reason=form.cleaned_data["reason"])
        except OpsError as error:
            form.refuse(error)
    return show(
        request,
        "console/databases/add.html",
        title="Add a database",
        crumbs=[("Databases", "/databases/")],
        form=_without_url(form),
        warnings=warnings,
    )


@page("new-database/check/", name="database-add-check", permission="administer", methods=("POST",), background=True)
@sensitive_post_parameters("url")
def check_new(request: HttpRequest) -> HttpResponse:
    """What can be known while the form is being filled in: reachable or not, what it looks like, what contradicts."""
    given = request.POST
    found: dict[str, Any] = {}
    try:
        if given.get("url") or given.get("url_env"):
            found = _seen(given)
    except OpsError as error:
        found = {"error": error}
    return fragment(request, "console/databases/_new.html", **found)


@page(
    "databases/<slug:name>/edit/",
    name="database-edit",
    permission="administer",
    scope="database",
    methods=("GET", "POST"),
)
@sensitive_post_parameters("url")
def edit_database(request: HttpRequest, database: Database) -> HttpResponse:
    """Ask for other settings, or another address."""
    form, warnings = EditForm(request.POST or None, initial=registration.settings_of(database)), list[str]()
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        wanted = {field: _plain(data[field]) for field in registration.EDITABLE}
        try:
            given = registration.edition(database, wanted, url=data["url"], url_env=data["url_env"])
            warnings = _unread(form, given["warnings"])
            if not warnings:
                return ask(request, "database.edit", given, reason=data["reason"])
        except OpsError as error:
            form.refuse(error)
    context = {**header(request, database), "form": _without_url(form), "warnings": warnings}
    return show(request, "console/databases/edit.html", **context | _titled(database))


@page(
    "databases/<slug:name>/remove/",
    name="database-remove",
    permission="administer",
    scope="database",
    methods=("POST",),
)
def remove_database(request: HttpRequest, database: Database) -> HttpResponse:
    """Ask for a database to be taken off the list; its name is typed."""
    if said(request, "confirm") != database.name:
        raise Refused(
            "confirmation_needed",
            f"Taking {database.name} off the list needs its name, typed.",
            f"Go back and type {database.name} in the field beside the button.",
        )
    return ask(request, "database.remove", registration.removal(database), reason=said(request, "reason"))


def _addition(data: Mapping[str, Any]) -> dict[str, Any]:
    return registration.addition(
        data["name"],
        environment=data["environment"].name,
        url=data["url"],
        url_env=data["url_env"],
        owner_group=data["owner_group"],
        queue=data["queue"],
        tags=data["tags"],
    )


def _seen(given: Mapping[str, str]) -> dict[str, Any]:
    """What the address says of itself; warnings once an environment is chosen."""
    address = parse(given.get("url", "").strip() or url_from(given.get("url_env", "")))
    likely: Suggestion | None = suggest(address.display, given.get("name", ""))
    seen: dict[str, Any] = {"display": address.display, "likely": likely, "read": bool(given.get("read_warnings"))}
    if likely:
        seen["likely_label"] = registration.environment_called(likely.environment).label
    if given.get("environment") and given.get("name"):
        form = AddForm({**given.dict(), "reason": "-"} if hasattr(given, "dict") else given)
        if form.is_valid():
            seen["facts"] = _addition(form.cleaned_data)
        else:
            seen["lacks"] = [f"{form[name].label}: {errors[0]}" for name, errors in form.errors.items()]
    return seen


def _unread(form: AskingForm, warnings: Sequence[str]) -> list[str]:
    """The warnings that still stand between the form and the request."""
    return [] if form.cleaned_data["read_warnings"] else list(warnings)


def _without_url(form: WhereForm) -> WhereForm:
    """The form as it may be shown: a URL that was typed is not sent back."""
    if form.is_bound:
        form.data = {**form.data.dict(), "url": ""}  # type: ignore[attr-defined]
    return form


def _plain(value: Any) -> Any:
    return value.name if isinstance(value, Environment | OwnerGroup) else value


def _titled(database: Database) -> dict[str, Any]:
    crumbs = [("Databases", "/databases/"), (database.name, database.get_absolute_url())]
    return {"title": f"Settings of {database.name}", "crumb": "Settings", "crumbs": crumbs}
