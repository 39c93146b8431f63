"""People and their roles: who there is, and asking for somebody new, another role, a new password, an end."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from opsconsole import bootstrap, operations
from opsconsole.clock import now
from opsconsole.exceptions import OpsError
from opsconsole.models import Account, OwnerGroup, Person, Role
from opsconsole.pages.asking import PLAIN, AskingForm, ReasonField, ask, said, tell
from opsconsole.pages.base import Scope, account_of, page, register_scope, rights_of, show
from opsconsole.people import credential_ok, one_time_password
from opsconsole.permissions import visible_operations
from opsconsole.states import State

MEANINGS = {
    Role.VIEWER: "sees databases, operations, backups and reports",
    Role.ENGINEER: "asks for operations, rules and schedules, looks at masked data, downloads backups",
    Role.APPROVER: "does what an engineer does, and approves or rejects what others ask for",
    Role.AUDITOR: "sees every owner group and reads the whole audit history; no data",
    Role.ADMINISTRATOR: "does what an engineer does, reads the history, asks for changes of people, rules, databases",
}


class PersonForm(AskingForm):
    login = forms.CharField(max_length=150, widget=forms.TextInput(attrs=PLAIN), help_text="Short and plain, like ada.")
    name = forms.CharField(max_length=120, help_text="As colleagues say it.")
    email = forms.EmailField(
        label="E-mail address",
        help_text="It says who the person is: two logins with one address are one person, with one vote.",
    )
    roles = forms.MultipleChoiceField(
        choices=[(role.value, f"{role.label.capitalize()}: {MEANINGS[role]}") for role in Role],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    owner_group = forms.CharField(max_length=50, initial="default", widget=forms.TextInput(attrs=PLAIN))
    reason = ReasonField()


class ServiceForm(AskingForm):
    login = forms.CharField(
        max_length=150, widget=forms.TextInput(attrs=PLAIN), help_text="What it is, like nightly-jobs."
    )
    name = forms.CharField(max_length=120, required=False)
    service_owner = forms.ModelChoiceField(
        Account.objects.filter(is_active=True, person__is_service=False).select_related("person"),
        to_field_name="username",
        label="Owner",
        empty_label="Choose a person",
        help_text="Counts as whoever asks through it, so the owner cannot approve what it asks for.",
    )
    reason = ReasonField()


def _find(account: Account, arguments: dict[str, Any]) -> Person:
    found = Person.objects.select_related("owner").filter(pk=arguments.pop("pk")).first()
    if found is None:
        raise Http404("There is no person of that number.")
    return found


register_scope(Scope(name="person", find=_find, subject=lambda _: None))


@page("people/", name="people", permission="see")
def people_list(request: HttpRequest) -> HttpResponse:
    """Who may do what, by person."""
    everybody = Person.objects.prefetch_related("accounts", "memberships__owner_group").order_by("name")
    return show(
        request,
        "console/people/list.html",
        title="People",
        crumbs=[],
        people=[person for person in everybody if not person.is_service],
        services=[person for person in everybody.select_related("owner") if person.is_service],
        meanings=[(role.label, role.value, text) for role, text in MEANINGS.items()],
        bootstrap_open=bootstrap.is_open(),
        may_change=rights_of(request).can("administer"),
        may_audit=rights_of(request).can("audit"),
        at=now(),
    )


@page("people/<int:pk>/", name="person", permission="see", scope="person")
def person_page(request: HttpRequest, person: Person) -> HttpResponse:
    """One person: logins, roles and since when they count, and what is asked for."""
    accounts = list(person.accounts.order_by("username"))
    held = person.memberships.select_related("owner_group", "changed_by").order_by("owner_group__name", "role")
    return show(
        request,
        "console/people/person.html",
        title=person.name,
        crumbs=[("People", "/people/")],
        person=person,
        accounts=[(account, credential_ok(account)) for account in accounts],
        memberships=held,
        at=now(),
        roles=Role.choices,
        groups=OwnerGroup.objects.all(),
        services=person.services.all(),
        last_asked=visible_operations(account_of(request)).filter(requester_person=person).order_by("-id")[:8],
        may_change=rights_of(request).can("administer"),
        may_audit=rights_of(request).can("audit"),
    )


@page("new-person/", name="person-add", permission="administer", methods=("GET", "POST"))
def add_person(request: HttpRequest) -> HttpResponse:
    """Ask for a new login; its one-time password is shown to whoever asks, once."""
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = {name: value for name, value in form.cleaned_data.items() if name != "reason"}
        try:
            return _with_password(request, "person.add", data, form.cleaned_data["reason"])
        except OpsError as error:
            form.refuse(error)
    return show(request, "console/people/add.html", title="Add a person", crumbs=[("People", "/people/")], form=form)


@page("new-service/", name="service-add", permission="administer", methods=("GET", "POST"))
def add_service(request: HttpRequest) -> HttpResponse:
    """Ask for a login without a password, for tokens of programs."""
    form = ServiceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = {name: value for name, value in form.cleaned_data.items() if name != "reason" and value}
        try:
            given = {**data, "service_owner": data["service_owner"].username}
            return ask(request, "person.add", given, reason=form.cleaned_data["reason"])
        except OpsError as error:
            form.refuse(error)
    return show(
        request, "console/people/service.html", title="Add a service", crumbs=[("People", "/people/")], form=form
    )


@page("people/<int:pk>/roles/", name="person-roles", permission="administer", scope="person", methods=("POST",))
def change_role(request: HttpRequest, person: Person) -> HttpResponse:
    """Ask for a role to be given or taken away."""
    given = {name: said(request, name) for name in ("role", "owner_group")}
    action = "membership.remove" if said(request, "act") == "remove" else "membership.add"
    return ask(request, action, {"login": _login_of(person), **given}, reason=said(request, "reason"))


@page("people/<int:pk>/email/", name="person-email", permission="administer", scope="person", methods=("POST",))
def change_email(request: HttpRequest, person: Person) -> HttpResponse:
    """Ask for another e-mail address."""
    given = {"login": _login_of(person), "email": said(request, "email")}
    return ask(request, "person.email", given, reason=said(request, "reason"))


@page(
    "people/<int:pk>/logins/<str:login>/reset/",
    name="login-reset", permission="administer", scope="person", methods=("POST",),
)  # fmt: skip
def reset_password(request: HttpRequest, person: Person, login: str) -> HttpResponse:
    """Ask for a one-time password; it works once the change is confirmed."""
    given = {"login": _own_login(person, login)}
    return _with_password(request, "account.reset_password", given, said(request, "reason"))


@page(
    "people/<int:pk>/logins/<str:login>/switch/",
    name="login-switch", permission="administer", scope="person", methods=("POST",),
)  # fmt: skip
def switch_login(request: HttpRequest, person: Person, login: str) -> HttpResponse:
    """Ask for a login to be switched off, or on again."""
    action = "account.activate" if said(request, "act") == "on" else "account.deactivate"
    return ask(request, action, {"login": _own_login(person, login)}, reason=said(request, "reason"))


def _with_password(request: HttpRequest, action: str, given: dict[str, Any], reason: str) -> HttpResponse:
    """Raise the change with a fresh one-time password and show that in the answer; it is kept nowhere in the clear."""
    password = one_time_password()
    account: Any = request.user
    operation = operations.request_change(action, {**given, "password": password}, account=account, reason=reason)
    if operation.state not in (State.SUCCEEDED, State.PENDING_APPROVAL):
        tell(request, operation)
        return redirect("operation", pk=operation.pk)
    return show(
        request,
        "console/people/password.html",
        title=f"One-time password of {given['login']}",
        crumbs=[("People", "/people/")],
        login=given["login"],
        password=password,
        operation=operation,
        waits=operation.state == State.PENDING_APPROVAL,
    )


def _login_of(person: Person) -> str:
    """A login by which changes can name the person."""
    found = person.accounts.order_by("pk").first()
    if found is None:
        raise Http404("This person has no login.")
    return str(found.username)


def _own_login(person: Person, login: str) -> str:
    if not person.accounts.filter(username=login).exists():
        raise Http404("This person has no login of that name.")
    return login
