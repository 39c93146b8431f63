"""Asking for an operation of any kind: its few fields on the left, the plan as it would be on the right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters

from opsconsole import approvals, kinds, operations, reauth
from opsconsole.clock import now
from opsconsole.exceptions import OpsError, Usage
from opsconsole.models import Database
from opsconsole.pages import looks
from opsconsole.pages.base import account_of, fragment, page, show
from opsconsole.permissions import visible_databases
from opsconsole.plans import Plan
from opsconsole.targets import plan_target

NOT_PARAMETERS = frozenset({"reason", "confirm", "password"})


class SuggestedField(forms.ChoiceField):
    """A choice among what is worth offering; another value (from a link, say) is kept, and the plan decides on it."""

    def __init__(self, *, suggested: tuple[tuple[str, str], ...], **kwargs: Any) -> None:
        super().__init__(choices=suggested, **kwargs)
        self.suggested = suggested

    def valid_value(self, value: Any) -> bool:
        return True

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> forms.BoundField:
        bound = super().get_bound_field(form, field_name)
        value = str(bound.value() or "")
        if value not in dict(self.suggested):
            self.choices = [*self.suggested, (value, value)]
        return bound


class RequestForm(forms.Form):
    """The kind's parameters, a reason, and, where nobody else is asked, the typed name and the password."""

    def __init__(
        self,
        kind: kinds.Kind,
        database: Database,
        *args: Any,
        given: Mapping[str, str],
        visible: QuerySet[Database],
        confirms: bool,
        proved: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.secret = [parameter.name for parameter in kind.parameters if parameter.secret]
        for parameter in kind.fields(database, given):
            self.fields[parameter.name] = _field(kind, parameter, database, visible)
        self.fields["reason"] = forms.CharField(
            label="Why",
            required=False,
            max_length=1000,
            help_text="Who approves it reads this, and it stays in the audit history.",
            widget=forms.TextInput(attrs={"autocomplete": "off"}),
        )
        if confirms:
            self.fields["confirm"] = forms.CharField(
                label=f"Type {database.name} to confirm",
                required=True,
                help_text="Nobody else is asked here, so your typing its name is the confirmation.",
                widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
            )

        if confirms and not proved:
            self.fields["password"] = forms.CharField(
                label="Your password",
                strip=False,
                help_text="It was not asked for in the last minutes.",
                widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
            )

    def parameters(self) -> dict[str, str]:
        """What was asked for, without secrets, the reason and the confirmation."""
        left_out = NOT_PARAMETERS.union(self.secret)
        return {name: _as_text(value) for name, value in self.cleaned_data.items() if name not in left_out}

    def secrets(self) -> dict[str, str]:
        """What was handed over for this operation only."""
        return {name: self.cleaned_data[name] for name in self.secret if self.cleaned_data.get(name)}


@page(
    "databases/<slug:name>/request/<slug:kind>/",
    name="request",
    permission="request",
    scope="database",
    methods=("GET", "POST"),
    act="asking for it",
)
@sensitive_post_parameters()
def request_page(request: HttpRequest, database: Database, kind: str) -> HttpResponse:
    """The form; sending it plans, seals and submits."""
    chosen = _kind(kind, database)
    requirement = approvals.requirement_for(chosen, [plan_target(database, None)], at=now())
    confirms = chosen.mutates and not requirement.gated
    form = _form(request, chosen, database, confirms)
    if request.method == "POST" and form.is_valid():
        made = _ask(request, form, chosen, database)
        if made is not None:
            return made
    return show(
        request,
        "console/request.html",
        title=chosen.heading(database),
        crumbs=[("Databases", "/databases/"), (database.name, database.get_absolute_url())],
        crumb=chosen.label,
        frame=database.environment,
        database=database,
        kind=chosen,
        form=form,
        requirement=requirement,
        instead=chosen.instead(database),
        # a secret goes into no address: where the form takes one, the plan is asked for by POST
        secret=bool(form.secret),
        not_asked_again=",".join(["password", "confirm", "reason", *([] if form.secret else ["csrfmiddlewaretoken"])]),
    )


@page(
    "databases/<slug:name>/request/<slug:kind>/plan/",
    name="request-plan",
    permission="request",
    scope="database",
    methods=("GET", "POST"),
)
@sensitive_post_parameters()
def request_plan(request: HttpRequest, database: Database, kind: str) -> HttpResponse:
    """The plan as it would be now, for the values in the form. Reads the database and writes nothing."""
    chosen = _kind(kind, database)
    values = request.POST if request.method == "POST" else request.GET
    asked = [p.name for p in chosen.parameters if p.name in values and not p.secret]
    given = {name: _as_text(values.getlist(name)) for name in asked}
    secrets = {p.name: request.POST[p.name] for p in chosen.parameters if p.secret and request.POST.get(p.name)}
    try:
        plan = operations.draft(chosen.name, database, given, account=account_of(request), secrets=secrets)
    except OpsError as error:
        return fragment(request, "console/request/plan.html", error=error)
    return fragment(request, "console/request/plan.html", kind=chosen, **_preview(plan, chosen))


def _preview(plan: Plan, kind: kinds.Kind) -> dict[str, Any]:
    effects = looks.effects_of(plan)
    requirement = approvals.requirement_for(kind, plan.targets, at=now())
    return {
        "plan": plan,
        "effects": effects,
        "compared": looks.is_compared(plan),
        "lost": looks.lost_rows(effects),
        "evidence": looks.facts_of(plan.evidence),
        "requirement": requirement,
        "lacking": kind.evidence_problems(plan, requirement.demand),
    }


def _ask(request: HttpRequest, form: RequestForm, kind: kinds.Kind, database: Database) -> HttpResponse | None:
    """Submit; a mistake in the form goes back into it, a refusal becomes a page."""
    try:
        if "password" in form.fields:
            reauth.prove(request, form.cleaned_data["password"])
        made = operations.request(
            kind.name,
            database,
            form.parameters(),
            secrets=form.secrets(),
            account=account_of(request),
            reason=form.cleaned_data["reason"],
            confirm=form.cleaned_data.get("confirm", ""),
        )
    except Usage as error:
        form.add_error(None, f"{error.why} {error.next_step}")
        return None
    except OpsError as error:
        wrong = {"confirmation_needed": "confirm", "password_wrong": "password"}.get(error.code, "")
        if wrong not in form.fields:
            raise
        form.add_error(wrong, f"This must be exactly {database.name}." if wrong == "confirm" else error.why)
        return None
    messages.success(request, f"Asked for as operation {made.pk}. This page is the link to share; its digest is below.")
    return redirect(made)


def _form(request: HttpRequest, kind: kinds.Kind, database: Database, confirms: bool) -> RequestForm:
    known: dict[str, Any] = {
        "visible": visible_databases(account_of(request)),
        "confirms": confirms,
        "proved": reauth.proved_at(request) is not None,
    }
    if request.method == "POST":
        return RequestForm(kind, database, request.POST, given=request.POST.dict(), **known)
    hidden = {"confirm", "password", *(p.name for p in kind.parameters if p.secret)}
    given = {name: request.GET[name] for name in request.GET if name not in hidden}
    lists = {p.name: given[p.name].split(",") for p in kind.parameters if p.several and p.name in given}
    return RequestForm(kind, database, initial={**given, **lists}, given=given, **known)


def _as_text(value: Any) -> str:
    """A value of the form as `--set` would give it: several of them with commas between."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _kind(name: str, database: Database) -> kinds.Kind:
    try:
        found = kinds.get(name)
    except Usage as error:
        raise Http404(error.why) from None
    if database.engine not in found.engines:
        raise Http404(f"{found.label} does not work on {database.engine}.")
    return found


def _field(
    kind: kinds.Kind, parameter: kinds.Parameter, database: Database, visible: QuerySet[Database]
) -> forms.Field:
    shared: dict[str, Any] = {
        "label": parameter.label,
        "help_text": parameter.help[:1].upper() + parameter.help[1:],
        "required": parameter.required,
        "initial": parameter.default,
    }
    if parameter.secret:
        return forms.CharField(
            max_length=4000, widget=forms.PasswordInput(attrs={"autocomplete": "off"}), **shared | {"initial": None}
        )
    if parameter.several:
        return forms.MultipleChoiceField(choices=parameter.choices, widget=forms.CheckboxSelectMultiple, **shared)
    if parameter.choices:
        return forms.ChoiceField(choices=kind.choices(parameter, database), **shared)
    if suggested := kind.suggestions(parameter.name, database, visible):
        return SuggestedField(suggested=suggested, **shared)
    return forms.CharField(max_length=300, widget=forms.TextInput(attrs={"autocomplete": "off"}), **shared)
