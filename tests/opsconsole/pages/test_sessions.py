"""Signing in and out: when a session ends, and what a password that must be changed allows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.test import Client

from opsconsole.clock import now
from opsconsole.middleware import SEEN, STARTED
from opsconsole.models import Account, AuditEvent
from tests.opsconsole.pages.conftest import Office
from tests.support.people import PASSWORD


def age(client: Client, **marks: timedelta) -> None:
    """Make the session as old as that."""
    session = client.session
    for key, span in marks.items():
        session[{"started": STARTED, "seen": SEEN}[key]] = (now() - span).isoformat()
    session.save()


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_a_session_that_was_not_used_for_half_an_hour_is_over(office: Office) -> None:
    client = office.at("ada")
    client.get("/")
    age(client, seen=timedelta(minutes=31))
    answer = client.get("/operations/?state=open")
    assert answer.headers["Location"].startswith("/login/?ended=idle&next=%2Foperations%2F")
    assert not signed_in(client)


def test_a_session_of_twelve_hours_is_over_however_busy_it_is(office: Office) -> None:
    client = office.at("ada")
    client.get("/")
    age(client, started=timedelta(hours=12, minutes=1))
    assert client.get("/").headers["Location"].startswith("/login/?ended=old")


def test_a_page_that_refreshes_itself_does_not_keep_a_session_alive(office: Office) -> None:
    client = office.at("ada")
    client.get("/")
    age(client, seen=timedelta(minutes=29))
    assert client.get("/dashboard/now/").status_code == 200
    age_before = client.session[SEEN]
    assert client.get("/").status_code == 200
    assert client.session[SEEN] > age_before


def test_a_deactivated_account_is_signed_out_at_its_next_request(office: Office) -> None:
    client = office.at("ada")
    Account.objects.filter(username="ada").update(is_active=False)
    answer = client.get("/")
    assert answer.headers["Location"].startswith("/login/?ended=closed")
    assert not signed_in(client)


def test_a_fragment_sends_the_whole_page_to_the_login_when_the_session_is_over(office: Office) -> None:
    client = office.at("ada")
    client.get("/")
    age(client, seen=timedelta(minutes=31))
    answer = client.get("/dashboard/now/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/"})
    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"].startswith("/login/?ended=idle")


def test_who_was_signed_out_while_sending_a_form_comes_back_to_its_page(office: Office) -> None:
    answer = Client().post("/operations/1/approve/", headers={"Referer": "http://testserver/operations/1/"})
    assert answer.headers["Location"] == "/login/?next=%2Foperations%2F1%2F"


def test_a_one_time_password_opens_nothing_but_the_page_that_changes_it(office: Office) -> None:
    Account.objects.filter(username="ada").update(must_change_password=True)
    client = office.at("ada")
    for path in ("/", "/operations/", "/databases/savings/", "/admin/"):
        assert client.get(path).headers["Location"] == "/password/"
    assert client.get("/password/").status_code == 200


def test_a_new_password_needs_the_old_one_and_ends_the_other_sessions(office: Office) -> None:
    here, there = office.at("ada"), office.at("ada")
    wrong = here.post(
        "/password/", {"old": "not it", "new": "a much better password", "again": "a much better password"}
    )
    assert wrong.status_code == 200
    answer = here.post(
        "/password/", {"old": PASSWORD, "new": "a much better password", "again": "a much better password"}
    )
    assert answer.status_code == 302
    assert here.get("/").status_code == 200
    assert there.get("/").headers["Location"].startswith("/login/?ended=closed")


def test_a_weak_or_mistyped_password_is_refused_with_the_reason(office: Office) -> None:
    client = office.at("ada")
    assert (
        "too short" in client.post("/password/", {"old": PASSWORD, "new": "short", "again": "short"}).content.decode()
    )
    differing = client.post("/password/", {"old": PASSWORD, "new": "one good password", "again": "another one"})
    assert "differ" in differing.content.decode()


def test_five_wrong_passwords_lock_the_login_for_a_while(office: Office) -> None:
    client = Client()
    for _ in range(5):
        answer = client.post("/login/", {"username": "ada", "password": "wrong"})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert client.post("/login/", {"username": "ada", "password": PASSWORD}).status_code == 429
    assert AuditEvent.objects.filter(type="auth.locked").exists()


def test_a_login_that_does_not_exist_is_answered_like_one_that_does(office: Office) -> None:
    texts = [
        Client()
        .post("/login/", {"username": who, "password": "wrong"})
        .content.decode()
        .count("do not belong together")
        for who in ("ada", "nobody-of-that-name")
    ]
    assert texts == [1, 1]


def test_after_signing_in_nobody_is_sent_to_another_site(office: Office) -> None:
    for target in ("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "javascript:alert(1)"):
        answer = Client().post("/login/", {"username": "ada", "password": PASSWORD, "next": target})
        assert answer.headers["Location"] == "/"


def test_signing_in_leads_to_where_one_wanted_to_go(office: Office) -> None:
    answer = Client().post("/login/", {"username": "ada", "password": PASSWORD, "next": "/operations/?kind=backup"})
    assert answer.headers["Location"] == "/operations/?kind=backup"


def test_the_session_gets_a_new_key_at_sign_in_and_when_the_password_is_asked_again(office: Office) -> None:
    client = office.at("grace")
    first = client.session.session_key
    operation = office.waiting()
    client.post(f"/operations/{operation.pk}/approve/", {"digest": operation.digest, "password": PASSWORD})
    assert client.session.session_key != first


def test_signing_out_takes_a_post(office: Office) -> None:
    client = office.at("ada")
    assert client.get("/logout/").status_code == 405
    assert signed_in(client)
    assert client.post("/logout/").status_code == 302
    assert not signed_in(client)


def test_the_cookie_of_the_session_is_for_http_and_this_site_only(office: Office, settings: Any) -> None:
    cookie = office.at("ada").cookies["opsconsole_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
