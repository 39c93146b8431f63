"""Bearer tokens: shown once, kept as a hash, refused for a reason."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from opsconsole import tokens
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, AuditEvent, Database, Token
from tests.opsconsole.approvals.scenes import add_database
from tests.support import people
from tests.support.console import Console
from tests.support.people import Cast


@pytest.fixture
def team(console: Console) -> Cast:
    return people.assemble()


def test_a_token_names_its_owner(team: Cast) -> None:
    token, text = tokens.mint(team.ada, "deploy")
    assert tokens.owner_of(text) == (team.ada, token)


def test_only_a_hash_of_it_is_kept(team: Cast) -> None:
    token, text = tokens.mint(team.ada, "deploy")
    secret = text.split("_", 2)[2]
    kept = " ".join(str(value) for value in Token.objects.filter(pk=token.pk).values_list()[0])
    told = "".join(bytes(event.payload).decode() for event in AuditEvent.objects.all())
    assert secret not in kept + told


@pytest.mark.parametrize("text", ["", "x", "ops_00000000_" + "a" * 43, "ops_zzzzzzzz_" + "a" * 43])
def test_a_token_that_nobody_made_is_refused(team: Cast, text: str) -> None:
    with pytest.raises(Refused, match="nobody made it"):
        tokens.owner_of(text)


def test_the_right_prefix_with_a_wrong_secret_is_refused(team: Cast) -> None:
    _, text = tokens.mint(team.ada, "deploy")
    with pytest.raises(Refused):
        tokens.owner_of(text[:-1] + ("A" if text[-1] != "A" else "B"))


def test_a_revoked_token_is_refused_and_cannot_be_revoked_again(team: Cast) -> None:
    token, text = tokens.mint(team.ada, "deploy")
    tokens.revoke(token)
    with pytest.raises(Refused, match="it was revoked"):
        tokens.owner_of(text)
    with pytest.raises(Refused):
        tokens.revoke(token)


def test_an_expired_token_is_refused(team: Cast) -> None:
    _, text = tokens.mint(team.ada, "deploy", expires_at=now() - timedelta(seconds=1))
    with pytest.raises(Refused, match="its time is over"):
        tokens.owner_of(text)


def test_a_token_ends_with_its_account(team: Cast) -> None:
    _, text = tokens.mint(team.ada, "deploy")
    Account.objects.filter(pk=team.ada.pk).update(is_active=False)
    with pytest.raises(Refused, match="switched off"):
        tokens.owner_of(text)


def test_a_refusal_is_recorded_without_the_secret(team: Cast) -> None:
    with pytest.raises(Refused):
        tokens.owner_of("ops_00000000_" + "s" * 43)
    event: Any = AuditEvent.objects.filter(type="auth.token_refused").get()
    assert "s" * 43 not in bytes(event.payload).decode()


def test_a_one_time_password_does_not_make_a_token(team: Cast) -> None:
    team.ada.must_change_password = True
    with pytest.raises(Refused) as caught:
        tokens.mint(team.ada, "deploy")
    assert caught.value.code == "password_not_own"


def test_a_token_needs_a_name(team: Cast) -> None:
    with pytest.raises(Usage):
        tokens.mint(team.ada, " ")


def test_a_narrowed_token_is_for_what_it_names_and_for_no_command(team: Cast, console: Console) -> None:
    add_database("savings", "development")
    add_database("sandbox", "development")
    token, text = tokens.mint(team.ada, "monitor", databases=["savings"])
    savings, sandbox = (Database.objects.get(name=name) for name in ("savings", "sandbox"))
    assert tokens.allows(token, "see", savings)
    assert not any((tokens.allows(token, "request", savings), tokens.allows(token, "see", sandbox)))
    assert not tokens.allows(token, "see")  # not the console as a whole
    told = console.run("operation", "list", "--json", env={"OPSCONSOLE_TOKEN": text})
    assert (told.returncode, b"token_narrowed" in told.stdout) == (4, True)


def test_a_token_cannot_be_made_for_voting_or_for_a_database_that_nobody_sees(team: Cast) -> None:
    add_database("savings", "development")
    for account, given in (
        (team.ada, {"scopes": ["vote"]}), (team.ada, {"scopes": ["everything"]}),
        (team.ada, {"databases": ["nowhere"]}), (team.mallory, {"databases": ["savings"]}),
    ):  # fmt: skip
        with pytest.raises(Usage):
            tokens.mint(account, "monitor", **given)
    assert not Token.objects.exists()
