"""Django's own commands for people go the same way as everybody: a request, or a refusal with the reason."""

from __future__ import annotations

import json
from typing import Any

from opsconsole.models import Account, Membership, Operation
from tests.opsconsole.approvals.scenes import approve
from tests.support.people import PASSWORD

WHY = ("--reason", "it is wanted")


def approve_by_two(team: Any, number: int) -> None:
    """Nobody is known on a shell, so the first vote might be the asker's own: it does nothing yet."""
    asked = approve(team.admin, Operation.objects.get(pk=number))
    assert asked.state == "pending_approval"
    approve(team.linus, asked)


def test_changepassword_asks_instead_of_setting(console: Any, team: Any) -> None:
    ended = console.run("changepassword", "grace", "--json", *WHY)
    told = json.loads(ended.stdout)
    assert (ended.returncode, told["state"]) == (3, "pending_approval")
    assert Account.objects.get(username="grace").check_password(PASSWORD)
    approve_by_two(team, told["id"])
    grace = Account.objects.get(username="grace")
    assert grace.check_password(told["password"]) and grace.must_change_password


def test_changepassword_never_shows_a_given_password(console: Any, team: Any) -> None:
    ended = console.run("changepassword", "grace", "--password-stdin", *WHY, input="correct horse 9 battery\n")
    assert ended.returncode == 3
    assert b"correct horse" not in ended.stdout + ended.stderr
    assert "correct horse" not in Operation.objects.latest("id").plan_text


def test_changepassword_refuses_a_login_that_there_is_not(console: Any, team: Any) -> None:
    ended = console.run("changepassword", "nobody", "--json")
    assert ended.returncode == 2 and json.loads(ended.stdout)["refused"] == "unknown_login"


def test_createsuperuser_asks_once_the_console_is_set_up(console: Any, team: Any) -> None:
    given = ("--username", "root", "--email", "root@example.test", "--noinput", "--json")
    ended = console.run("createsuperuser", *given, *WHY)
    assert ended.returncode == 3
    assert not Account.objects.filter(username="root").exists()
    approve_by_two(team, json.loads(ended.stdout)["id"])
    assert Account.objects.get(username="root").is_superuser


def test_createsuperuser_makes_the_first_administrator(console: Any) -> None:
    given = {"DJANGO_SUPERUSER_PASSWORD": "correct horse 9 battery"}
    ended = console.run("createsuperuser", "--username", "root", "--email", "root@example.test", "--noinput", env=given)
    assert ended.returncode == 0, ended.stderr
    assert Membership.objects.get(person__accounts__username="root").role == "administrators"
    assert Account.objects.get(username="root").check_password("correct horse 9 battery")


def test_createsuperuser_without_a_name_is_usage(console: Any, team: Any) -> None:
    assert console.run("createsuperuser", "--noinput").returncode == 2


def test_person_add_asks_once_the_console_is_set_up(console: Any, team: Any) -> None:
    ended = console.run("person", "add", "eve", "--email", "eve@example.test", "--groups", "approvers", "--json", *WHY)
    assert ended.returncode == 3 and not Account.objects.filter(username="eve").exists()
