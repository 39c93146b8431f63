"""Tokens ask in somebody's name; they are kept as a hash and never vote."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest

from opsconsole import operations, tokens
from opsconsole.clock import now
from opsconsole.exceptions import OpsError, Refused
from opsconsole.models import Account, AuditEvent, Token
from tests.opsconsole.approvals.scenes import approve, later


def minted(account: Any, **more: Any) -> tuple[Token, str]:
    return tokens.mint(account, "deploy script", **more)


def test_a_token_is_shown_once_and_kept_as_a_hash(team: Any) -> None:
    token, text = minted(team.ada)
    assert re.fullmatch(r"o[cp]s_[0-9a-f]{8}_[\w-]{43}", text)
    stored = Token.objects.get(pk=token.pk)
    assert stored.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert text not in str(vars(stored))


def test_it_names_its_owner(team: Any) -> None:
    _, text = minted(team.ada)
    account, _ = tokens.owner_of(text)
    assert account == team.ada


@pytest.mark.parametrize("broken", ["", "nonsense", "ops_00000000_" + "a" * 43, "{text}x", "{text}"[:-1] + "}"])
def test_one_that_nobody_made_is_refused_and_recorded(team: Any, broken: str) -> None:
    _, text = minted(team.ada)
    given = broken.replace("{text}", text) if broken != "{text}" else text[:-1]
    with pytest.raises(Refused, match="refused"):
        tokens.owner_of(given)
    event = AuditEvent.objects.get(type="auth.token_refused")
    assert text[13:] not in bytes(event.payload).decode()


def test_a_revoked_one_is_refused(team: Any) -> None:
    token, text = minted(team.ada)
    tokens.revoke(token)
    with pytest.raises(Refused, match="revoked"):
        tokens.owner_of(text)


def test_one_whose_time_is_over_is_refused(team: Any) -> None:
    _, text = minted(team.ada, expires_at=now() + timedelta(days=1))
    tokens.owner_of(text)
    with later(days=2), pytest.raises(Refused, match="time is over"):
        tokens.owner_of(text)


def test_one_of_a_deactivated_login_is_refused(team: Any) -> None:
    _, text = minted(team.ada)
    Account.objects.filter(pk=team.ada.pk).update(is_active=False)
    with pytest.raises(Refused, match="switched off"):
        tokens.owner_of(text)


def test_its_last_use_is_kept_to_the_minute(team: Any) -> None:
    token, text = minted(team.ada)
    tokens.owner_of(text)
    first = Token.objects.get(pk=token.pk).last_used_at
    tokens.owner_of(text)
    assert Token.objects.get(pk=token.pk).last_used_at == first
    with later(minutes=2):
        tokens.owner_of(text)
    assert Token.objects.get(pk=token.pk).last_used_at > first


def test_nobody_mints_with_a_password_that_somebody_else_has_seen(team: Any) -> None:
    team.ada.must_change_password = True
    with pytest.raises(OpsError, match="one-time"):
        minted(team.ada)


def test_a_service_s_token_ends_with_its_owner_s_last_login(team: Any) -> None:
    given = {"login": "robot", "name": "Robot", "service_owner": "ada"}
    approve(team.grace, operations.request_change("person.add", given, account=team.admin, reason="it is wanted"))
    _, text = minted(Account.objects.get(username="robot"))
    assert tokens.owner_of(text)[0].username == "robot"
    Account.objects.filter(pk=team.ada.pk).update(is_active=False)
    with pytest.raises(Refused, match="owner has no login"):
        tokens.owner_of(text)
