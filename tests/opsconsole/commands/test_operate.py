"""`manage.py operate` and `manage.py operation`: asking, waiting, and the exit codes that scripts rely on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsconsole import kinds, process, tokens
from opsconsole.management.commands.operate import Command
from opsconsole.management.reporting import exit_for
from opsconsole.models import Operation
from opsconsole.states import State
from tests.support.cases import work
from tests.support.commands import Say
from tests.support.console import Console
from tests.support.people import Cast
from tests.support.waiting import wait_until

FACTS = {"id", "kind", "database", "state", "digest", "url", "result"}


def test_a_backup_is_queued_at_once(say: Say, open_shop: Any, team: Cast) -> None:
    said = say("operate", "backup", "shop", "--reason", "before the move", "--json", account=team.ada)
    assert said.code == 0
    assert set(said.json) >= FACTS
    assert (said.json["kind"], said.json["database"], said.json["state"]) == ("backup", "shop", "queued")
    row = Operation.objects.get(pk=said.json["id"])
    assert (row.requester, row.reason, row.digest) == (team.ada, "before the move", said.json["digest"])
    assert row.token is not None


def test_that_nobody_works_is_said(say: Say, open_shop: Any, team: Cast) -> None:
    assert "No worker" in say("operate", "backup", "shop", account=team.ada).err


def test_without_a_token_nothing_is_asked(say: Say, open_shop: Any) -> None:
    said = say("operate", "backup", "shop", "--json")
    assert (said.code, said.json["refused"]) == (4, "token_needed")
    assert not Operation.objects.exists()


def test_a_bad_token_is_refused(say: Say, open_shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSCONSOLE_TOKEN", "ops_00000000_" + "x" * 43)
    said = say("operate", "backup", "shop", "--json")
    assert (said.code, said.json["refused"]) == (4, "token_refused")


def test_a_plan_shows_and_does_nothing(say: Say, open_shop: Any, team: Cast) -> None:
    said = say("operate", "backup", "shop", "--plan", "--json", account=team.ada)
    assert said.code == 0
    assert said.json["plan"]["kind"] == "backup"
    assert not Operation.objects.exists()
    assert "orders" in say("operate", "backup", "shop", "--plan", account=team.ada).out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("backup", "nope"), "unknown_database"),
        (("explode", "shop"), "unknown_kind"),
        (("backup", "shop", "--set", "colour=red"), "unknown_parameter"),
        (("backup", "shop", "--set", "format=zip"), "bad_value"),
        (("backup", "shop", "--set", "format"), "bad_setting"),
    ],
)
def test_a_call_that_makes_no_sense_is_usage(
    say: Say, open_shop: Any, team: Cast, words: tuple[str, ...], code: str
) -> None:
    said = say("operate", *words, "--json", account=team.ada)
    assert (said.code, said.json["refused"]) == (2, code)
    assert set(said.json) == {"refused", "why", "next"}


def test_who_may_not_ask_is_refused(say: Say, open_shop: Any, team: Cast) -> None:
    assert say("operate", "backup", "shop", "--json", account=team.audrey).code == 4


def test_a_restore_without_a_backup_is_refused(say: Say, open_shop: Any, team: Cast) -> None:
    said = say("operate", "restore", "shop", "--confirm", "shop", "--plan", "--json", account=team.ada)
    assert said.code in (2, 4)
    assert said.json["next"]


@pytest.fixture
def backed_up(console: Console, say: Say, open_shop: Any, team: Cast) -> Operation:
    return _backup(console, say, "shop", team)


def test_the_plan_of_a_restore_says_what_it_would_lose(say: Say, backed_up: Operation, team: Cast) -> None:
    plan = say("operate", "restore", "shop", "--plan", "--json", account=team.ada).json["plan"]
    assert plan["confirmation"]["number"] == 0
    assert {effect["object"]: effect["lost"] for effect in plan["effects"]} == {"customers": 0, "orders": 0}
    text = say("operate", "restore", "shop", "--plan", account=team.ada).out
    assert "No row would be lost or set back." in text and "set back" in text
    assert "To approve, type shop and the number of rows that would be lost." in text


def test_a_restore_of_an_unprotected_database_needs_its_name(say: Say, backed_up: Operation, team: Cast) -> None:
    said = say("operate", "restore", "shop", "--json", account=team.ada)
    assert (said.code, said.json["refused"]) == (4, "confirmation_needed")
    assert say("operate", "restore", "shop", "--confirm", "shop", "--json", account=team.ada).code == 0


def test_a_restore_of_a_protected_one_waits_for_approval(
    console: Console, say: Say, guarded_shop: Any, team: Cast
) -> None:
    _backup(console, say, "vault", team)
    said = say("operate", "restore", "vault", "--json", account=team.ada)
    assert (said.code, said.json["state"]) == (3, "pending_approval")
    assert say("operation", "wait", str(said.json["id"]), "0.1", "--json").code == 6


def test_what_is_not_finished_in_time_says_so(say: Say, open_shop: Any, team: Cast) -> None:
    said = say("operate", "backup", "shop", "--wait", "0.1", "--json", account=team.ada)
    assert (said.code, said.json["state"]) == (6, "queued")


def test_waiting_tells_how_it_ended(say: Say, backed_up: Operation) -> None:
    said = say("operation", "wait", str(backed_up.id), "--json")
    assert said.code == 0
    assert said.json["result"]["summary"]


@pytest.mark.parametrize(
    ("state", "code"),
    [(State.FAILED, 1), (State.CANCELLED, 4), (State.REJECTED, 4), (State.EXPIRED, 4), (State.STALE, 4),
     (State.INDETERMINATE, 5)],
)  # fmt: skip
def test_every_ending_has_its_exit_code(state: State, code: int) -> None:
    ended = Operation(state=state)
    assert exit_for(ended, waited=True) == exit_for(ended, waited=False) == code


def test_what_succeeded_in_finding_what_must_not_stand_has_the_exit_code_of_a_failure() -> None:
    for stands, code in ((True, 1), (False, 0)):
        assert exit_for(Operation(state=State.SUCCEEDED, result={"stands": stands}), waited=True) == code


def test_operations_are_listed_newest_first_and_narrowed(say: Say, backed_up: Operation, team: Cast) -> None:
    say("operate", "backup", "shop", account=team.ada)
    listed = say("operation", "list", "--database", "shop", "--json").json["operations"]
    assert [row["state"] for row in listed] == ["queued", "succeeded"]
    assert len(say("operation", "list", "--state", "queued", "--json").json["operations"]) == 1
    assert "backup" in say("operation", "list").out


def test_one_is_shown_with_its_plan_and_its_log(say: Say, backed_up: Operation) -> None:
    said = say("operation", "show", str(backed_up.id), "--json").json
    assert said["plan"]["kind"] == "backup"
    assert said["digest"] == backed_up.digest
    assert "Digest" in say("operation", "show", str(backed_up.id)).out


@pytest.mark.parametrize("given", ["999", "x", "-1", "9" * 30])
def test_an_unknown_operation_is_refused_with_what_there_is(say: Say, backed_up: Operation, given: str) -> None:
    said = say("operation", "show", "--json", "--", given)
    assert (said.code, said.json["refused"]) == (2, "unknown_operation")
    assert str(backed_up.id) in said.json["next"]


def test_the_requester_cancels_what_is_queued(say: Say, open_shop: Any, team: Cast) -> None:
    asked = say("operate", "backup", "shop", "--json", account=team.ada).json
    assert say("operation", "cancel", str(asked["id"]), "--json", account=team.bob).code == 4
    said = say("operation", "cancel", str(asked["id"]), "--json", account=team.ada)
    assert (said.code, said.json["state"]) == (0, "cancelled")
    assert say("operation", "wait", str(asked["id"]), "--json").code == 4


def test_cancelling_needs_a_token(say: Say, backed_up: Operation) -> None:
    assert say("operation", "cancel", str(backed_up.id), "--json").json["refused"] == "token_needed"


def test_as_a_program_it_waits_for_the_worker_and_prints_one_object(
    console: Console, open_shop: Any, team: Cast
) -> None:
    token = tokens.mint(team.ada, "script")[1]
    child = process.spawn(
        console.argv("operate", "backup", "shop", "--wait", "60", "--json"),
        env=console.env | {"OPSCONSOLE_TOKEN": token}, stdout=process.PIPE, stderr=process.PIPE,
    )  # fmt: skip
    work(console, wait_until(lambda: Operation.objects.filter(state=State.QUEUED).first(), what="the request"))
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, b"Warning: No worker was seen lately, so it stays queued until one starts "
                                          b"(make run, or manage.py worker).\n")  # fmt: skip
    said = json.loads(out)
    assert set(said) >= FACTS
    assert (said["state"], out.count(b"\n")) == ("succeeded", 1)


def test_as_a_program_a_wrong_call_ends_with_two(console: Console) -> None:
    assert console.run("operate").returncode == 2
    assert console.run("database", "add", "x").returncode == 2


def _backup(console: Console, say: Say, database: str, team: Cast) -> Operation:
    """A finished backup; on a busy machine a lost worker has it queued again, as it would in earnest."""
    asked = say("operate", "backup", database, "--json", account=team.ada).json
    operation = Operation.objects.get(pk=asked["id"])
    wait_until(lambda: work(console, operation).state == State.SUCCEEDED, what="the backup")
    return operation


def test_help_lists_the_settings_of_every_kind_and_explains_those_of_one() -> None:
    command = Command()
    every = command.create_parser("manage.py", "operate").format_help()
    assert "\n  check     mode, category, rule, seconds, sample, sessions\n" in every
    command.asked_for = kinds.get("check")
    assert "full, or quick: only checks" in command.create_parser("manage.py", "operate").format_help()
