"""`manage.py database`."""

from __future__ import annotations

from typing import Any

import pytest

from opsconsole.models import AuditEvent, Database
from tests.support import people
from tests.support.cases import make_shop
from tests.support.commands import Say
from tests.support.console import Console
from tests.support.people import Cast


def add(say: Say, console: Console, *words: str) -> Any:
    url = f"sqlite:///{make_shop(console.files / 'shop.sqlite3')}"
    return say("database", "add", "shop", "--url", url, "--environment", "development", "--json", *words)


def test_a_database_is_added_and_listed(say: Say, console: Console) -> None:
    assert add(say, console, "--tag", "core", "--queue", "near").code == 0
    (listed,) = say("database", "list", "--json").json["databases"]
    assert (listed["name"], listed["environment"], listed["tags"]) == ("shop", "development", ["core"])
    assert (listed["queue"], listed["engine"], listed["protected"]) == ("near", "sqlite", False)


def test_after_the_set_up_it_waits_and_says_where(say: Say, console: Console, team: Cast) -> None:
    people.close_bootstrap()
    said = add(say, console, "--reason", "a new shop")
    assert said.code == 3
    assert said.json["state"] == "pending_approval"
    assert said.json["url"] == f"/operations/{said.json['id']}/"
    assert not Database.objects.exists()


def test_a_password_on_the_command_line_is_refused_as_usage_and_not_repeated(say: Say) -> None:
    said = say("database", "add", "x", "--url", "postgresql://app:hunter2@db/x", "--environment", "demo", "--json")
    assert said.code == 2
    assert said.json["refused"] == "password_in_argv"
    assert "hunter2" not in said.out + said.err


def test_a_url_may_come_from_standard_input(say: Say, console: Console) -> None:
    url = f"sqlite:///{make_shop(console.files / 'shop.sqlite3')}\n"
    assert say("database", "add", "shop", "--url-stdin", "--environment", "demo", stdin=url).code == 0
    assert Database.objects.get(name="shop").url_sealed


def test_a_url_may_stay_in_a_variable(say: Say, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", f"sqlite:///{make_shop(console.files / 'shop.sqlite3')}")
    assert say("database", "add", "shop", "--url-env", "SHOP_URL", "--environment", "demo").code == 0
    row = Database.objects.get(name="shop")
    assert (row.url_env, row.url_sealed) == ("SHOP_URL", "")


def test_an_unknown_environment_is_refused_with_the_list_of_what_there_is(say: Say) -> None:
    said = say("database", "add", "x", "--url", "postgresql://a@b/c", "--environment", "prod", "--json")
    assert said.code == 2
    assert said.json["refused"] == "unknown_environment"
    assert "production" in said.json["next"]


def test_a_contradiction_is_warned_about_on_standard_error(say: Say, console: Console) -> None:
    url = f"sqlite:///{make_shop(console.files / 'prod.sqlite3')}"
    said = say("database", "add", "x", "--url", url, "--environment", "development", "--json")
    assert "LOOKS LIKE PRODUCTION" in said.err
    assert any("LOOKS LIKE PRODUCTION" in warning for warning in said.json["warnings"])


def test_the_consoles_own_database_is_refused(say: Say, console: Console, settings: Any) -> None:
    settings.OPSCONSOLE_ROOTS = [console.home]
    url = f"sqlite:///{console.home}/console.sqlite3"
    if console.vendor == "postgresql":
        url = console.env["DATABASE_URL"].replace("postgres://", "postgresql://", 1)
    said = say("database", "add", "self", "--url-stdin", "--environment", "demo", "--json", stdin=url)
    assert (said.code, said.json["refused"]) == (4, "own_database")


def test_a_check_of_a_sound_database_ends_well(say: Say, open_shop: Any) -> None:
    said = say("database", "check", "shop", "--json")
    assert said.code == 0
    assert (said.json["ok"], said.json["class"], said.json["identity"]) == (True, "ok", open_shop.identity)


def test_a_check_of_an_unreachable_one_fails_with_its_class(say: Say) -> None:
    url = "postgresql://app@nowhere.invalid/far"
    assert say("database", "add", "far", "--url", url, "--environment", "demo").code == 0
    said = say("database", "check", "far", "--json")
    assert said.code == 1
    assert (said.json["ok"], said.json["class"]) == (False, "dns")


def test_an_unknown_name_is_refused_with_the_list_of_what_there_is(say: Say, open_shop: Any) -> None:
    said = say("database", "check", "nope", "--json")
    assert said.code == 2
    assert said.json == {
        "refused": "unknown_database",
        "why": "There is no database called nope.",
        "next": "There are: shop.",
    }


def test_a_refusal_for_people_goes_to_standard_error(say: Say, open_shop: Any) -> None:
    said = say("database", "check", "nope")
    assert said.out == ""
    assert "There are: shop." in said.err


def test_a_note_is_dated_and_signed_by_whoever_is_at_the_shell(say: Say, open_shop: Any) -> None:
    said = say("database", "note", "shop", "The index was rebuilt by hand.", "--json")
    assert said.code == 0
    note = open_shop.notes.get()
    assert (note.text, note.author) == ("The index was rebuilt by hand.", None)
    assert note.author_name.startswith("system:")


def test_with_a_token_the_note_is_its_owners(say: Say, open_shop: Any, team: Cast) -> None:
    say("database", "note", "shop", "Vacuumed.", account=team.ada)
    assert open_shop.notes.get().author == team.ada
    event = AuditEvent.objects.get(type="database.noted")
    assert event.actor == f"person:{team.ada.person_id}"


def test_who_has_no_role_sees_no_database(say: Say, open_shop: Any, team: Cast) -> None:
    assert say("database", "list", "--json", account=team.mallory).json == {"databases": []}
    assert say("database", "note", "shop", "x", account=team.mallory).code == 2


def test_an_auditor_may_look_and_not_write(say: Say, open_shop: Any, team: Cast) -> None:
    assert say("database", "list", "--json", account=team.audrey).json["databases"]
    assert say("database", "note", "shop", "x", "--json", account=team.audrey).code == 4


def test_who_may_not_register_makes_the_console_connect_to_nothing(say: Say, team: Cast) -> None:
    url = "postgresql://app@127.0.0.1:1/far"
    said = say("database", "add", "far", "--url", url, "--environment", "demo", "--json", account=team.ada)
    assert (said.code, said.json["refused"]) == (4, "not_allowed")
    assert said.err == ""


def test_an_edit_is_a_request_too(say: Say, open_shop: Any, team: Cast) -> None:
    people.close_bootstrap()
    said = say(
        "database",
        "edit",
        "shop",
        "--environment",
        "production",
        "--reason",
        "it goes live",
        "--json",
        account=team.admin,
    )
    assert (said.code, said.json["requester"]) == (3, "admin")
    open_shop.refresh_from_db()
    assert open_shop.environment.name == "development"


def test_a_removed_database_is_gone_from_the_list(say: Say, open_shop: Any) -> None:
    assert say("database", "remove", "shop").code == 0
    assert say("database", "list", "--json").json == {"databases": []}
