"""Logging in and out, and one's own password."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import authenticate, login, logout, password_validation, update_session_auth_hash
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters

from opsconsole import people, reauth
from opsconsole.exceptions import OpsError
from opsconsole.middleware import SEEN, STARTED
from opsconsole.pages.base import ANYONE, SIGNED_IN, account_of, page, show

ENDINGS = {
    "idle": "You were signed out because nothing happened for a while.",
    "old": "You were signed out because the session had reached its longest age.",
    "closed": "You were signed out: the account was switched off, or its password was changed elsewhere.",
    "left": "You are signed out.",
}


class LoginForm(forms.Form):
    username = forms.CharField(
        label="Login",
        max_length=150,
        widget=forms.TextInput(
            attrs={"autofocus": True, "autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    password = forms.CharField(strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}))


class PasswordForm(forms.Form):
    old = forms.CharField(
        label="Password until now", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )
    new = forms.CharField(
        label="New password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="12 characters or more, not a common one, not your name.",
    )
    again = forms.CharField(
        label="New password, once more", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_new(self) -> str:
        new = str(self.cleaned_data["new"])
        password_validation.validate_password(new, self.user)
        return new

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("new") and given.get("again") and given["new"] != given["again"]:
            raise ValidationError({"again": "The two new passwords differ."})
        return given


@page("login/", name="login", permission=ANYONE, methods=("GET", "POST"))
@sensitive_post_parameters()
def log_in(request: HttpRequest) -> HttpResponse:
    """Sign in; too many failures are answered with 429 by django-axes."""
    target = _next(request)
    if request.method == "GET" and request.user.is_authenticated:
        return redirect(target)
    form = LoginForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        account = authenticate(request, **form.cleaned_data)
        if account is not None:
            login(request, account)
            for key in (STARTED, SEEN):
                request.session.pop(key, None)
            reauth.note(request)
            return redirect(target)
        form.add_error(None, "The login and the password do not belong together, or the account is switched off.")
    ending = ENDINGS.get(request.GET.get("ended", ""), "")
    return _outside(request, "console/login.html", title="Sign in", form=form, next=target, ending=ending)


@page("logout/", name="logout", permission=ANYONE, methods=("POST",))
def log_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("/login/?ended=left")


@page("password/", name="password", permission=SIGNED_IN, methods=("GET", "POST"))
@sensitive_post_parameters()
def own_password(request: HttpRequest) -> HttpResponse:
    """Change one's own password, knowing the old one; other sessions of the account end."""
    form = PasswordForm(request.POST or None, user=account_of(request))
    if request.method == "POST" and form.is_valid():
        try:
            people.set_own_password(account_of(request), form.cleaned_data["old"], form.cleaned_data["new"])
        except OpsError as error:
            form.add_error("old", error.why)
        else:
            update_session_auth_hash(request, account_of(request))
            reauth.note(request)
            messages.success(request, "Your password is changed. Your other sessions are signed out.")
            return redirect("dashboard")
    return show(
        request,
        "console/password.html",
        title="Change my password",
        crumbs=[],
        form=form,
        forced=account_of(request).must_change_password,
    )


def locked_out(request: HttpRequest, credentials: Any = None, *_: Any, **__: Any) -> HttpResponse:
    """What django-axes answers with: 429, and when to try again. It says the same for logins that do not exist."""
    minutes = round(settings.AXES_COOLOFF_TIME * 60)
    response = _outside(request, "console/locked.html", title="Too many attempts", status=429, minutes=minutes)
    response.headers["Retry-After"] = str(minutes * 60)
    return response.render()


def _outside(request: HttpRequest, template: str, *, status: int = 200, **context: Any) -> TemplateResponse:
    return TemplateResponse(request, template, {**admin.site.each_context(request), **context}, status=status)


def _next(request: HttpRequest) -> str:
    target = request.POST.get("next") or request.GET.get("next") or "/"
    safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if safe and not target.startswith(("/login", "/logout")) else "/"
