"""People, roles and logins: everything is asked for, a one-time password is shown once."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client

from opsconsole.clock import now
from opsconsole.models import Account, AuditEvent, Membership, Operation, Person
from tests.opsconsole.approvals.scenes import add_database, approve, ask
from tests.opsconsole.pages.conftest import Office
from tests.support.people import PASSWORD

NEW = {
    "login": "nora", "name": "Nora", "email": "nora@example.test", "roles": ["engineers"], "owner_group": "default",
    "reason": "She joins on Monday",
}  # fmt: skip


def shown_password(answer: Any) -> str:
    found = re.search(r'id="one-time">([^<]+)<', answer.content.decode())
    assert found, answer.content.decode()
    return found[1]


def change() -> Operation:
    return Operation.objects.filter(kind="change").latest("id")


def signed_in(login: str, password: str) -> bool:
    return Client().post("/login/", {"username": login, "password": password}).status_code == 302


def test_the_list_says_who_may_do_what(office: Office) -> None:
    html = office.at("ada").get("/people/").content.decode()
    assert "approver" in html
    assert "grace@example.test" in html
    assert "Add a person" not in html


def test_a_person_is_added_when_another_one_confirms(office: Office) -> None:
    answer = office.at("admin").post("/new-person/", NEW)
    password = shown_password(answer)
    assert not Account.objects.filter(username="nora").exists()
    approve(office.grace, change())
    assert signed_in("nora", password)
    assert Account.objects.get(username="nora").must_change_password


def test_the_one_time_password_is_nowhere_else(office: Office) -> None:
    password = shown_password(office.at("admin").post("/new-person/", NEW))
    page = office.at("grace").get(f"/operations/{change().pk}/").content.decode()
    told = "".join(bytes(event.payload).decode() for event in AuditEvent.objects.all())
    assert password not in page + told + change().plan_text


def test_the_answer_with_the_password_is_kept_by_no_cache(office: Office) -> None:
    answer = office.at("admin").post("/new-person/", NEW)
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_login_that_is_taken_is_refused_above_the_fields(office: Office) -> None:
    html = office.at("admin").post("/new-person/", {**NEW, "login": "ada"}).content.decode()
    assert "There is a login called ada already." in html


def test_a_service_is_owned_by_a_person_and_has_no_password(office: Office) -> None:
    given = {"login": "nightly", "name": "Nightly jobs", "service_owner": "ada", "reason": "Backups at night"}
    answer = office.at("admin").post("/new-service/", given)
    assert answer.status_code == 302
    approve(office.grace, change())
    made = Person.objects.get(name="Nightly jobs")
    assert (made.is_service, made.owner) == (True, office.ada.person)
    assert "for Ada" in office.at("ada").get("/people/").content.decode()


def test_a_role_is_given_and_taken_by_request(office: Office) -> None:
    client, bob = office.at("admin"), office.bob.person
    given = {"act": "add", "role": "viewers", "owner_group": "default", "reason": "He watches"}
    client.post(f"/people/{bob.pk}/roles/", given)
    assert not Membership.objects.filter(person=bob, role="viewers").exists()
    approve(office.grace, change())
    assert Membership.objects.filter(person=bob, role="viewers").exists()
    client.post(f"/people/{bob.pk}/roles/", {**given, "act": "remove"})
    approve(office.linus, change())
    assert not Membership.objects.filter(person=bob, role="viewers").exists()


def test_a_password_is_reset_by_request_and_shown_once(office: Office) -> None:
    answer = office.at("admin").post(f"/people/{office.bob.person.pk}/logins/bob/reset/", {"reason": "He lost it"})
    assert signed_in("bob", PASSWORD)
    approve(office.grace, change())
    assert signed_in("bob", shown_password(answer))
    assert not signed_in("bob", PASSWORD)


def test_a_login_is_switched_off_and_on_by_request(office: Office) -> None:
    client, path = office.at("admin"), f"/people/{office.bob.person.pk}/logins/bob/switch/"
    client.post(path, {"act": "off", "reason": "He left"})
    approve(office.grace, change())
    assert not signed_in("bob", PASSWORD)
    client.post(path, {"act": "on", "reason": "He is back"})
    approve(office.grace, change())
    assert signed_in("bob", PASSWORD)


def test_an_address_changes_by_request(office: Office) -> None:
    given = {"email": "robert@example.test", "reason": "A new name"}
    office.at("admin").post(f"/people/{office.bob.person.pk}/email/", given)
    approve(office.grace, change())
    assert Person.objects.get(pk=office.bob.person.pk).email == "robert@example.test"


def test_a_login_of_somebody_else_is_not_found_under_this_person(office: Office) -> None:
    path = f"/people/{office.bob.person.pk}/logins/ada/reset/"
    assert office.at("admin").post(path, {"reason": "x"}).status_code == 404


def test_only_administrators_ask_for_changes_of_people(office: Office) -> None:
    client, pk = office.at("grace"), office.bob.person.pk
    for path in ("/new-person/", "/new-service/", f"/people/{pk}/roles/", f"/people/{pk}/logins/bob/reset/"):
        assert client.post(path, {"reason": "x"}).status_code == 403, path
    html = client.get(f"/people/{pk}/").content.decode()
    assert "Take it away" not in html


def test_a_password_that_nobody_confirmed_is_pointed_out(office: Office) -> None:
    Account.objects.filter(username="grace").update(password="argon2$something-else")
    html = office.at("admin").get(f"/people/{office.grace.person.pk}/").content.decode()
    assert "its votes do not count" in html


def test_what_somebody_asked_for_elsewhere_is_not_named_to_others(founding: Office) -> None:
    elsewhere = add_database("elsewhere", "production", owner_group="another-team")
    theirs = {"owner_group": elsewhere.owner_group, "role": "engineers", "counts_from": now()}
    Membership.objects.create(person=founding.ada.person, **theirs)
    ask(founding.ada, elsewhere)
    path = f"/people/{founding.ada.person.pk}/"
    assert "elsewhere" not in founding.at("grace").get(path).content.decode()
    assert "elsewhere" in founding.at("audrey").get(path).content.decode()


def test_a_small_form_needs_a_reason_as_a_large_one_does(office: Office) -> None:
    where = f"/people/{office.ada.person_id}/logins/ada/switch/"
    html = office.at("admin").post(where, {"act": "off", "reason": " "}).content.decode()
    assert "Switch a login off: what another person has to confirm needs a reason." in html
    assert not Operation.objects.exists()
