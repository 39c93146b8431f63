"""Logins are events; what was typed in the wrong field is not kept."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from opsconsole.models import AuditEvent
from tests.support.people import PASSWORD


def log_in(login: str, password: str = PASSWORD, client: Client | None = None) -> int:
    answer = (client or Client()).post("/login/", {"username": login, "password": password})
    return int(answer.status_code)


def told(type: str) -> AuditEvent:
    return AuditEvent.objects.filter(type=type).latest("id")


def test_a_login_names_the_person_who_came_in(founders: Any) -> None:
    assert log_in("ada") == 302
    assert told("auth.login").actor == f"person:{founders.ada.person_id}"


def test_a_logout_is_an_event(founders: Any) -> None:
    client = Client()
    log_in("ada", client=client)
    client.post("/logout/")
    assert told("auth.logout").actor == f"person:{founders.ada.person_id}"


def test_a_wrong_password_is_an_event_without_the_password(founders: Any) -> None:
    assert log_in("ada", "hunter2 hunter2") == 200
    event = told("auth.login_failed")
    assert event.outcome == "denied" and b'"object":"ada"' in bytes(event.payload)
    assert b"hunter2" not in bytes(event.payload)


def test_a_login_that_there_is_not_is_not_kept(founders: Any) -> None:
    log_in("my secret password", "ada")
    assert b"my secret password" not in bytes(told("auth.login_failed").payload)


def test_too_many_wrong_passwords_lock_and_are_an_event(founders: Any) -> None:
    answers = [log_in("ada", f"wrong number {n}") for n in range(5)]
    assert answers[-1] == 429 and b'"object":"ada"' in bytes(told("auth.locked").payload)
    assert log_in("ada") == 429


@pytest.mark.parametrize("how", ["deactivated", "service"])
def test_whoever_may_not_log_in_gets_the_same_answer(founders: Any, how: str) -> None:
    founders.ada.is_active = how != "deactivated"
    founders.ada.save()
    if how == "service":
        type(founders.ada.person).objects.filter(pk=founders.ada.person_id).update(is_service=True)
    assert log_in("ada") == 200 and told("auth.login_failed").outcome == "denied"
