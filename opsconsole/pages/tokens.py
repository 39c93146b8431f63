"""One's own tokens, and those of the services one owns: made with the password asked again, shown once, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters

from opsconsole import reauth, tokens
from opsconsole.clock import now
from opsconsole.exceptions import OpsError
from opsconsole.models import Account, Token
from opsconsole.pages.asking import PLAIN, AskingForm, Names
from opsconsole.pages.base import SIGNED_IN, Scope, page, register_scope, show

SCOPES = (("", "whatever it acts for may ask for"), ("see", "look only, over HTTP and with `health`"))
LIFETIMES = (("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "until it is revoked"))


class TokenForm(AskingForm):
    name = forms.CharField(
        max_length=80, widget=forms.TextInput(attrs=PLAIN), help_text="Where it will be used, like deploy-script."
    )
    account = forms.ModelChoiceField(Account.objects.none(), label="It acts as", empty_label=None)
    lifetime = forms.ChoiceField(choices=LIFETIMES, initial="90", required=False, label="It works for")
    scope = forms.ChoiceField(choices=SCOPES, required=False, label="It may")
    databases = Names(
        label="Only these databases", help_text="Names with commas between them; it looks only then. Empty: all."
    )
    password = forms.CharField(
        label="Your password", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )

    def __init__(self, *args: Any, owner: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = Q(pk=owner.pk) | Q(person__owner=owner.person, person__is_service=True)
        self.fields["account"].queryset = Account.objects.filter(own, is_active=True)  # type: ignore[attr-defined]
        self.fields["account"].initial = owner.pk


def _own(account: Account) -> QuerySet[Token]:
    mine = Q(account__person=account.person_id) | Q(account__person__owner=account.person_id)
    return Token.objects.filter(mine).select_related("account__person")


def _find(account: Account, arguments: dict[str, Any]) -> Token:
    found = _own(account).filter(pk=arguments.pop("pk")).first()
    if found is None:
        raise Http404("You have no token of that number.")
    return found


register_scope(Scope(name="token", find=_find, subject=lambda _: None))


@page("tokens/", name="tokens", permission=SIGNED_IN, methods=("GET", "POST"))
@sensitive_post_parameters("password")
def token_list(request: HttpRequest) -> HttpResponse:
    """The tokens, where each was last used, and the form for another one."""
    account: Any = request.user
    form, made, text = TokenForm(request.POST or None, owner=account), None, ""
    if request.method == "POST" and form.is_valid():
        try:
            made, text = _mint(request, form.cleaned_data)
            form = TokenForm(owner=account)
        except OpsError as error:
            form.refuse(error)
    at = now()
    return show(
        request,
        "console/tokens.html",
        title="My tokens",
        crumbs=[],
        form=form,
        made=made,
        text=text,
        tokens=[(token, _standing(token, at)) for token in _own(account)],
    )


@page("tokens/<int:pk>/revoke/", name="token-revoke", permission=SIGNED_IN, scope="token", methods=("POST",))
def revoke(request: HttpRequest, token: Token) -> HttpResponse:
    """End a token for good."""
    tokens.revoke(token)
    messages.success(request, f"The token {token.name} is revoked; whatever uses it is refused from now on.")
    return redirect("tokens")


def _mint(request: HttpRequest, data: dict[str, Any]) -> tuple[Token, str]:
    reauth.prove(request, data["password"])
    days = data["lifetime"]
    expires_at = now() + timedelta(days=int(days)) if days else None
    scopes = tokens.LOOKING if data["scope"] else ()
    return tokens.mint(data["account"], data["name"], expires_at=expires_at, scopes=scopes, databases=data["databases"])


def _standing(token: Token, at: Any) -> tuple[str, str, str]:
    """A word, its colour and its icon."""
    if token.revoked_at:
        return ("revoked", "grey", "block")
    if token.expires_at and token.expires_at <= at:
        return ("over", "grey", "timer_off")
    return ("works", "green", "check_circle")
