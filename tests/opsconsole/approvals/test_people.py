"""People, their logins, and whether a password is accounted for."""

from __future__ import annotations

from typing import Any

import pytest

from opsconsole import people
from opsconsole.exceptions import OpsError, Refused, Usage
from opsconsole.models import Account, CredentialSeal
from tests.support.people import PASSWORD

NEW = "another password for tests"


def test_without_a_password_a_one_time_one_is_made(console: Any) -> None:
    added = people.add_person("carol", email="carol@example.test", roles=["engineers"])
    assert added.password and added.account.check_password(added.password)
    assert added.account.must_change_password and people.credential_ok(added.account)


def test_one_time_passwords_differ_and_are_long(console: Any) -> None:
    made = {people.one_time_password() for _ in range(50)}
    assert len(made) == 50 and all(len(password) == 24 for password in made)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("carol@example.test", "Carol@Example.test"), ("kate@example.test", "\N{KELVIN SIGN}ate@example.test"),
        ("carol@exämple.test", "carol@EXÄMPLE.test"), ("carol@exämple.test", "carol@xn--exmple-cua.test"),
    ],
)  # fmt: skip
def test_one_address_is_one_person_in_any_case_and_spelling(console: Any, one: str, other: str) -> None:
    first = people.add_person("carol", email=one)
    second = people.add_person("carol2", email=other, roles=["viewers"])
    assert first.person == second.person


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"login": "a b", "email": "a@example.test"}, "bad_login"), ({"login": "a", "email": "nobody"}, "bad_email"),
        ({"login": "ADA", "email": "a@example.test"}, "login_taken"),
        ({"login": "a", "email": "a@example.test", "roles": ["kings"]}, "unknown_role"),
        ({"login": "a", "email": "a@example.test", "password": "short"}, "bad_password"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_adds_nobody(founders: Any, given: dict[str, Any], code: str) -> None:
    before = Account.objects.count()
    with pytest.raises(OpsError) as refused:
        people.add_person(**given)
    assert (refused.value.code, Account.objects.count()) == (code, before)


def test_a_login_sets_its_own_password_and_stays_accounted_for(team: Any) -> None:
    people.set_own_password(team.grace, PASSWORD, NEW)
    grace = Account.objects.get(username="grace")
    assert grace.check_password(NEW) and people.credential_ok(grace)
    assert CredentialSeal.objects.filter(account=grace).last().how == "self"


@pytest.mark.parametrize(("old", "new"), [("wrong", NEW), (PASSWORD, PASSWORD), (PASSWORD, "grace")])
def test_a_password_needs_the_old_one_and_must_be_good(team: Any, old: str, new: str) -> None:
    with pytest.raises((Refused, Usage)):
        people.set_own_password(team.grace, old, new)
    assert Account.objects.get(username="grace").check_password(PASSWORD)


def test_a_password_that_nobody_confirmed_is_not_accounted_for_by_changing_it(team: Any) -> None:
    team.grace.set_password("slipped in by a shell")
    team.grace.save()
    assert not people.credential_ok(team.grace)
    people.set_own_password(team.grace, "slipped in by a shell", NEW)
    assert not people.credential_ok(Account.objects.get(username="grace"))


def test_checking_a_password_never_stores_it_anew(team: Any, settings: Any) -> None:
    before = team.grace.password
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]  # dearer than the stored one
    assert team.grace.check_password(PASSWORD)
    assert Account.objects.get(username="grace").password == before


def test_a_service_has_an_owner_and_no_password(founders: Any) -> None:
    service = people.add_service("robot", owner=founders.ada.person).account
    assert service.person.owner == founders.ada.person and not service.has_usable_password()
    assert not people.credential_ok(service)
