"""Setting the console up: alone, on the record, and once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client

from opsconsole import bootstrap, people
from opsconsole.exceptions import Refused
from opsconsole.models import AuditEvent, Bootstrap
from tests.support.people import PASSWORD, close_bootstrap


def log_in(account: Any, password: str = PASSWORD) -> None:
    """As a browser does."""
    answer = Client().post("/login/", {"username": account.username, "password": password})
    assert answer.status_code == 302, answer.content


def test_a_new_console_is_being_set_up(console: Any) -> None:
    assert bootstrap.is_open() and bootstrap.first_administrator() is None


@pytest.mark.parametrize("login", ["ada", "audrey", "admin", "mallory"])
def test_it_goes_on_while_no_approver_has_come_in(founders: Any, login: str) -> None:
    log_in(getattr(founders, login))
    assert bootstrap.is_open()


def test_the_first_approver_who_comes_in_ends_it(founders: Any) -> None:
    log_in(founders.grace)
    assert not bootstrap.is_open()
    closed = AuditEvent.objects.get(type="bootstrap.closed")
    assert closed.actor == f"person:{founders.grace.person_id}"


def test_the_first_administrator_does_not_end_it_as_an_approver(console: Any) -> None:
    given = {"email": "root@example.test", "password": PASSWORD}
    first = people.add_person("root", roles=["administrators", "approvers"], **given)
    log_in(first.account)
    second = people.add_person("root2", roles=["approvers"], **given)
    log_in(second.account)
    assert bootstrap.is_open()


def test_it_ends_once_and_never_begins_again(founders: Any) -> None:
    log_in(founders.grace)
    log_in(founders.linus)
    assert AuditEvent.objects.filter(type="bootstrap.closed").count() == 1
    for reopen in (
        lambda: Bootstrap.objects.update(closed_at=None),
        lambda: Bootstrap.objects.create(closed_at=None),
        lambda: Bootstrap.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError):
            reopen()


def test_afterwards_nobody_is_added_without_a_confirmed_change(founders: Any) -> None:
    close_bootstrap()
    with pytest.raises(Refused, match="somebody else confirms"):
        people.add_person("carol", email="carol@example.test")


def test_new_things_count_at_once_while_setting_up_and_in_the_demo(founders: Any, console: Any, settings: Any) -> None:
    hours = [(bootstrap.not_before(24) - bootstrap.now()).total_seconds() / 3600]
    close_bootstrap()
    hours.append((bootstrap.not_before(24) - bootstrap.now()).total_seconds() / 3600)
    (console.home / "demo-people.txt").write_text("ada\tengineer\t...\n")
    hours.append((bootstrap.not_before(24) - bootstrap.now()).total_seconds() / 3600)
    settings.PRODUCTION = True
    hours.append((bootstrap.not_before(24) - bootstrap.now()).total_seconds() / 3600)
    assert [round(each) for each in hours] == [0, 24, 0, 24]
