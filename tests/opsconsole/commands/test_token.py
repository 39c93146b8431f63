"""`manage.py token`."""

from __future__ import annotations

from opsconsole import tokens
from opsconsole.models import AuditEvent, Token
from tests.support.commands import Say
from tests.support.people import PASSWORD, Cast

FOR_ADA = ("token", "create", "ada", "--name", "deploy", "--password-stdin")


def test_a_token_is_shown_once_and_alone_on_standard_output(say: Say, team: Cast) -> None:
    said = say(*FOR_ADA, stdin=PASSWORD + "\n")
    assert said.code == 0
    assert tokens.owner_of(said.out.strip())[0] == team.ada
    assert "not shown again" in said.err


def test_as_json_it_comes_with_what_is_known_of_it(say: Say, team: Cast) -> None:
    said = say(*FOR_ADA, "--json", stdin=PASSWORD + "\n").json
    assert (said["name"], said["person"]) == ("deploy", "ada")
    assert tokens.owner_of(said["token"])[1].prefix == said["prefix"]


def test_a_wrong_password_makes_none_and_is_recorded(say: Say, team: Cast) -> None:
    said = say(*FOR_ADA, "--json", stdin="wrong\n")
    assert (said.code, said.json["refused"]) == (4, "password_wrong")
    assert not Token.objects.exists()
    assert AuditEvent.objects.filter(type="auth.reauth_failed").count() == 1


def test_without_a_terminal_the_password_must_come_from_standard_input(say: Say, team: Cast) -> None:
    assert say("token", "create", "ada", "--name", "deploy").code == 2


def test_an_unknown_person_is_refused_with_the_list_of_who_there_is(say: Say, team: Cast) -> None:
    said = say("token", "create", "zoe", "--name", "x", "--password-stdin", "--json", stdin="x\n")
    assert (said.code, said.json["refused"]) == (2, "unknown_person")
    assert "ada" in said.json["next"]


def test_a_token_of_a_service_asks_for_its_owners_password(say: Say, team: Cast) -> None:
    say("person", "add", "robot", "--service-of", "ada")
    said = say("token", "create", "robot", "--name", "nightly", "--password-stdin", stdin=PASSWORD + "\n")
    assert tokens.owner_of(said.out.strip())[0].username == "robot"


def test_tokens_are_listed_without_their_secrets_and_can_be_revoked(say: Say, team: Cast) -> None:
    text = say(*FOR_ADA, stdin=PASSWORD + "\n").out.strip()
    (listed,) = say("token", "list", "--json").json["tokens"]
    assert text not in str(listed)
    assert say("token", "revoke", listed["prefix"]).code == 0
    assert say("token", "list", "ada", "--json").json["tokens"][0]["revoked_at"]


def test_with_a_token_only_ones_own_are_listed_and_revoked(say: Say, team: Cast) -> None:
    say(*FOR_ADA, stdin=PASSWORD + "\n")
    prefix = Token.objects.get().prefix
    assert prefix not in say("token", "list", account=team.bob).out
    assert say("token", "revoke", prefix, account=team.bob).code == 2
