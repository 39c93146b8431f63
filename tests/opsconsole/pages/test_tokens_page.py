"""One's own tokens: made with the password, shown once, revoked; other people's are not there."""

from __future__ import annotations

import re
from typing import Any

import pytest

from opsconsole import tokens
from opsconsole.exceptions import Refused
from opsconsole.models import AuditEvent, Token
from opsconsole.people import add_service
from tests.opsconsole.pages.conftest import Office
from tests.support.people import PASSWORD


def make(office: Office, login: str = "ada", **more: Any) -> Any:
    account = getattr(office, login)
    given = {"name": "deploy-script", "account": account.pk, "lifetime": "90", "password": PASSWORD}
    return office.at(login).post("/tokens/", {**given, **more})


def text_in(answer: Any) -> str:
    found = re.search(r'id="token-text">(ops_[^<]+)<', answer.content.decode())
    assert found, "no token is shown"
    return found[1]


def test_a_token_is_shown_once_and_works(office: Office) -> None:
    text = text_in(make(office))
    assert tokens.owner_of(text)[0] == office.ada
    again = office.at("ada").get("/tokens/").content.decode()
    assert text not in again
    assert "deploy-script" in again
    assert text not in bytes(AuditEvent.objects.get(type="auth.token_created").payload).decode()


def test_a_token_needs_the_password_even_right_after_the_login(office: Office) -> None:
    assert "That is not your password." in make(office, password="not this one").content.decode()
    make(office, password="")
    assert not Token.objects.exists()


def test_a_token_lasts_as_long_as_was_chosen(office: Office) -> None:
    make(office, lifetime="30")
    make(office, name="for good", lifetime="")
    found = {token.name: token.expires_at for token in Token.objects.all()}
    assert found["for good"] is None
    assert found["deploy-script"] is not None


def test_a_revoked_token_is_refused_from_then_on(office: Office) -> None:
    text = text_in(make(office))
    office.at("ada").post(f"/tokens/{Token.objects.get().pk}/revoke/")
    with pytest.raises(Refused):
        tokens.owner_of(text)
    assert "revoked" in office.at("ada").get("/tokens/").content.decode()


def test_the_tokens_of_others_are_not_there(office: Office) -> None:
    make(office, name="nightly-copy")
    assert "nightly-copy" not in office.at("grace").get("/tokens/").content.decode()
    assert office.at("grace").post(f"/tokens/{Token.objects.get().pk}/revoke/").status_code == 404


def test_nobody_makes_a_token_for_somebody_else(office: Office) -> None:
    make(office, account=office.grace.pk)
    assert not Token.objects.exists()


def test_the_owner_of_a_service_makes_and_revokes_its_tokens(founding: Office) -> None:
    service = add_service("nightly", owner=founding.ada.person).account
    text = text_in(make(founding, account=service.pk, name="cron"))
    assert tokens.owner_of(text)[0] == service
    assert founding.at("ada").post(f"/tokens/{Token.objects.get().pk}/revoke/").status_code == 302


def test_an_empty_list_says_what_a_token_is_good_for(office: Office) -> None:
    assert "You have no token" in office.at("ada").get("/tokens/").content.decode()
