"""`manage.py person`."""

from __future__ import annotations

from opsconsole.models import Account, AuditEvent, Membership
from tests.support import people
from tests.support.commands import Say
from tests.support.people import PASSWORD, Cast

ZOE = ("person", "add", "zoe", "--email", "zoe@example.test", "--json")


def test_a_person_gets_a_one_time_password_that_must_be_changed(say: Say) -> None:
    said = say(*ZOE, "--groups", "engineers,viewers")
    assert said.code == 0
    account = Account.objects.get(username="zoe")
    assert account.check_password(said.json["password"])
    assert account.must_change_password
    roles = Membership.objects.filter(person=account.person).values_list("role", flat=True)
    assert sorted(roles) == ["engineers", "viewers"]


def test_a_password_from_standard_input_is_kept_and_never_shown(say: Say) -> None:
    said = say(*ZOE, "--password-stdin", stdin=PASSWORD + "\n")
    account = Account.objects.get(username="zoe")
    assert account.check_password(PASSWORD) and not account.must_change_password
    assert PASSWORD not in said.out + said.err


def test_the_password_is_in_no_event(say: Say) -> None:
    password = say(*ZOE).json["password"]
    assert all(password not in bytes(event.payload).decode() for event in AuditEvent.objects.all())


def test_an_unknown_group_is_refused_with_the_list_of_what_there_is(say: Say) -> None:
    said = say(*ZOE, "--groups", "gods")
    assert (said.code, said.json["refused"]) == (2, "unknown_role")
    assert "engineers" in said.json["next"]


def test_a_weak_password_is_refused(say: Say) -> None:
    assert say(*ZOE, "--password-stdin", stdin="short\n").code == 2
    assert not Account.objects.exists()


def test_after_the_set_up_a_person_waits_for_another_one(say: Say, team: Cast) -> None:
    people.close_bootstrap()
    silent = say(*ZOE, "--groups", "approvers")
    assert (silent.code, silent.json["refused"]) == (2, "missing_reason")
    said = say(*ZOE, "--groups", "approvers", "--reason", "she joins us")
    assert (said.code, said.json["state"]) == (3, "pending_approval")
    assert not Account.objects.filter(username="zoe").exists()


def test_a_shell_without_a_token_needs_one_person_more_and_says_so(say: Say, team: Cast) -> None:
    people.close_bootstrap()
    alone = say(*ZOE[:-1], "--reason", "she joins us")
    assert "waits for 2 other people" in alone.out
    assert "with OPSCONSOLE_TOKEN one is enough" in alone.out
    named = say(*ZOE[:-1], "--reason", "she joins us", account=team.admin)
    assert "waits for one other person" in named.out and "OPSCONSOLE_TOKEN" not in named.out


def test_an_owner_group_may_be_named(say: Say) -> None:
    assert say(*ZOE, "--groups", "engineers", "--owner-group", "payments").code == 0
    assert Membership.objects.get().owner_group.name == "payments"


def test_a_service_has_an_owner_and_no_password(say: Say, team: Cast) -> None:
    said = say("person", "add", "robot", "--service-of", "ada", "--json")
    assert said.code == 0
    account = Account.objects.get(username="robot")
    assert (account.person.owner, account.has_usable_password()) == (team.ada.person, False)


def test_everybody_is_listed_with_their_groups(say: Say, team: Cast) -> None:
    listed = {person["login"]: person["groups"] for person in say("person", "list", "--json").json["people"]}
    assert listed["grace"] == ["approvers@default"]
    assert "mallory" in say("person", "list").out
