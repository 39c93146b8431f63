"""Environments: what there is, which are protected, and asking for that to be otherwise."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse

from opsconsole import stores
from opsconsole.changes.environments import COLOURS
from opsconsole.exceptions import OpsError
from opsconsole.models import Account, Environment
from opsconsole.models.databases import NAME
from opsconsole.pages.asking import PLAIN, AskingForm, ReasonField, ask
from opsconsole.pages.base import Scope, page, register_scope, rights_of, show


class EnvironmentForm(AskingForm):
    name = forms.CharField(max_length=63, validators=[NAME], widget=forms.TextInput(attrs=PLAIN))
    label = forms.CharField(max_length=80, help_text="As it stands on every page.")
    protected = forms.BooleanField(
        required=False,
        label="Protected: what changes data there needs a second person",
    )
    order = forms.IntegerField(
        min_value=0,
        max_value=1000,
        help_text="The strictest has the largest number; it counts where one database is in two.",
    )
    colour = forms.ChoiceField(choices=[(colour, colour) for colour in COLOURS])
    stores = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs=PLAIN),
        help_text="Names with commas: the first takes backups, the others get a copy. Empty: the default store.",
    )
    reason = ReasonField()

    def __init__(self, *args: Any, known: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["stores"].help_text += f" There are: {', '.join(stores.writable_names())}."
        if known:
            del self.fields["name"]


def _find(account: Account, arguments: dict[str, Any]) -> Environment:
    found = Environment.objects.filter(name=arguments.pop("name")).first()
    if found is None:
        raise Http404("There is no environment of that name.")
    return found


register_scope(Scope(name="environment", find=_find, subject=lambda _: None))


@page("environments/", name="environments", permission="see")
def environment_list(request: HttpRequest) -> HttpResponse:
    """Every environment, the strictest first."""
    there = Count("databases", filter=Q(databases__removed_at=None))
    return show(
        request,
        "console/environments/list.html",
        title="Environments",
        crumbs=[],
        environments=Environment.objects.annotate(count=there).order_by("-protected", "-order", "name"),
        may_change=rights_of(request).can("administer"),
        may_audit=rights_of(request).can("audit"),
    )


@page("new-environment/", name="environment-add", permission="administer", methods=("GET", "POST"))
def add_environment(request: HttpRequest) -> HttpResponse:
    """Ask for one more."""
    form = EnvironmentForm(request.POST or None, initial={"order": Environment.objects.count() * 10, "colour": "grey"})
    return _ask(request, form, "environment.add", {}, title="Add an environment")


@page(
    "environments/<slug:name>/edit/",
    name="environment-edit", permission="administer", scope="environment", methods=("GET", "POST"),
)  # fmt: skip
def edit_environment(request: HttpRequest, environment: Environment) -> HttpResponse:
    """Ask for another label, order, colour or protection."""
    kept = {field: getattr(environment, field) for field in ("label", "protected", "order", "colour")}
    kept["stores"] = ", ".join(environment.stores)
    form = EnvironmentForm(request.POST or None, initial=kept, known=True)
    title = f"Change {environment.label}"
    return _ask(request, form, "environment.edit", {"name": environment.name}, title=title, environment=environment)


def _ask(
    request: HttpRequest, form: EnvironmentForm, action: str, given: dict[str, Any], *, title: str, **context: Any
) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        data = {name: value for name, value in form.cleaned_data.items() if name != "reason"}
        try:
            return ask(request, action, {**data, **given}, reason=form.cleaned_data["reason"])
        except OpsError as error:
            form.refuse(error)
    crumbs = [("Environments", "/environments/")]
    return show(request, "console/environments/form.html", title=title, crumbs=crumbs, form=form, **context)
