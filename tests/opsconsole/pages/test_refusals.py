"""Refusals are pages: what, by which rule, what next. Denials are recorded."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client, RequestFactory

from opsconsole.models import AuditEvent
from opsconsole.pages import errors
from tests.opsconsole.pages.conftest import Office


def test_a_refusal_names_what_was_refused_the_rule_and_the_next_step(office: Office) -> None:
    operation = office.waiting()
    answer = office.at("ada").post(f"/operations/{operation.pk}/approve/", {"digest": operation.digest})
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "Refused: approving" in html
    assert "own_request" in html
    assert "Ask a colleague." in html


def test_a_refusal_leads_back_to_the_page_it_came_from(office: Office) -> None:
    operation, client = office.waiting(), office.at("ada")
    url = f"/operations/{operation.pk}/"
    for referer, back in ((f"http://testserver{url}", url), ("https://elsewhere.example/x", "/")):
        html = client.post(f"{url}approve/", headers={"Referer": referer}).content.decode()
        assert f'<a class="oc-button oc-primary" href="{back}">' in html


def test_a_missing_role_is_named_and_the_denial_recorded(office: Office) -> None:
    answer = office.at("audrey").get("/databases/savings/request/scrub/")
    assert answer.status_code == 403
    assert "engineer" in answer.content.decode()
    event = AuditEvent.objects.get(type="denied.page")
    assert event.actor_name == "Audrey"
    assert event.outcome == "denied"


def test_a_nul_character_is_refused_wherever_it_is_sent(office: Office) -> None:
    operation, client = office.waiting(), office.at("ada")
    answers = [
        client.get("/operations/?kind=%00"),
        client.post(f"/operations/{operation.pk}/cancel/", {"reason": "a\0b"}),
    ]
    assert [answer.status_code for answer in answers] == [400, 400]


def test_what_one_may_not_see_does_not_exist(office: Office) -> None:
    operation, client = office.waiting(), office.at("mallory")
    seen = [client.get(path) for path in (f"/operations/{operation.pk}/", "/operations/999999/")]
    assert [answer.status_code for answer in seen] == [404, 404]
    html, other = seen[1].content.decode(), seen[0].content.decode()
    assert "999999" not in html
    for page in (html, other):
        assert "There is no operation of that number that you may see." in page
        assert 'href="/operations/">Go to the list' in page


def test_a_stranger_gets_a_plain_page_without_the_menu() -> None:
    request: Any = RequestFactory().get("/nowhere/")
    html = errors.not_found(request).content.decode()
    assert "Nothing here" in html
    assert "nav-sidebar" not in html


def test_the_page_of_a_crash_needs_no_database(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    from opsconsole.pages import operations

    def crash(*_: Any) -> None:
        raise RuntimeError("password=hunter2 in a traceback")

    client = office.at("ada")
    monkeypatch.setattr(operations, "_filtered", crash)
    client.raise_request_exception = False
    answer = client.get("/operations/")
    assert answer.status_code == 500
    assert "Something broke" in answer.content.decode()
    assert "hunter2" not in answer.content.decode()


def test_the_health_of_nobody_is_told_to_strangers() -> None:
    assert Client().get("/dashboard/now/").status_code == 302
