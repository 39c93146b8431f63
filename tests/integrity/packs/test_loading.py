"""Loading a pack is one confirmed change; loading it again, or a newer one, leaves what people made of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from integrity.models import Rule
from integrity.packs.specs import specs_of
from integrity.rules.in_force import ACTION, rules_of
from integrity.rules.requested import as_json
from opsconsole import operations, packs
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Database, Operation
from opsconsole.packs import Pack, loading
from opsconsole.states import State
from tests.lifecycle.conftest import sqlite_shop as sqlite_shop
from tests.opsconsole.approvals.scenes import approve
from tests.opsconsole.pages.conftest import Office
from tests.support.commands import Say, speaker
from tests.support.console import Console
from tests.support.people import Cast

GROUND = Path(__file__).with_name("grounds") / "ignition_d1.sql"


@pytest.fixture
def club(cast: Cast, sqlite_shop: Any) -> Database:
    """A database that looks like Ignition's."""
    shop, row = sqlite_shop
    shop.change(GROUND.read_text())
    return row


@pytest.fixture
def say(console: Console, monkeypatch: pytest.MonkeyPatch) -> Say:
    return speaker(monkeypatch)


def load(cast: Cast, row: Database, pack: Pack, **how: Any) -> Operation:
    return approve(cast.grace, loading.load(pack, row, account=cast.ada, reason="It is the club's.", **how))


def edit(cast: Cast, row: Database, name: str, **words: Any) -> None:
    """Ada has a rule changed by hand, as a form does, which keeps where it came from, or as an import may."""
    rule = next(rule for rule in rules_of(row) if rule.name == name)
    given = {"database": row.pk, "rules": [as_json(replace(rule, **words))]}
    approve(cast.grace, operations.request_change(ACTION, given, account=cast.ada, reason="We know better."))


def newer(pack: Pack) -> Pack:
    """A version without one rule, with other words in two, and with one more."""
    rules = [dict(rule) for rule in pack.sections["rules"] if rule["name"] != "onboarding-flow"]
    for rule in rules:
        if rule["name"] in ("users-without-name", "old-activity-events"):
            rule["hint"] = "Other words."
    rules.append({**rules[0], "name": "users-without-role", "spec": {"table": "users", "violates": "t.role IS NULL"}})
    return replace(pack, version=pack.version + 1, sections={**pack.sections, "rules": rules})


def test_a_pack_is_asked_for_with_every_rule_and_counts_once_it_is_confirmed(say: Say, cast: Cast, club: Database):
    said = say("pack", "load", "ignition", "shop", "--reason", "It is the club's.", "--json", account=cast.ada)
    assert said.code == 3, said.err
    wanted = specs_of(packs.get("ignition"), "sqlite")
    assert sorted(said.json["added"]) == sorted(rule.name for rule in wanted)
    waiting = Operation.objects.get(pk=said.json["id"])
    assert (waiting.state, rules_of(club)) == (State.PENDING_APPROVAL, [])
    assert [step.title.partition(":")[0] for step in waiting.plan.steps] == [rule.name for rule in wanted]
    assert "julianday" in next(step.sql for step in waiting.plan.steps if step.title.startswith("expired-sessions"))
    approve(cast.grace, waiting)
    assert sorted(rules_of(club), key=lambda rule: rule.name) == sorted(wanted, key=lambda rule: rule.name)
    named = {rule.health: rule.name for rule in rules_of(club) if rule.health}
    assert sorted(named) == [
        "expiredSessions", "nullEmailUsers", "nullNameUsers", "orphanedAccounts", "orphanedSessions",
    ]  # fmt: skip
    shown = say("pack", "show", "ignition", "--json").json["sections"]
    assert [each["name"] for each in shown["cleanup"]] == ["expiredSessions", "orphanedAccounts", "orphanedSessions"]
    listed = {each["name"]: each for each in say("pack", "list", "--json").json["packs"]}
    assert listed["ignition"]["loaded"] == [{"database": "shop", "version": 1, "edited": []}]
    again = say("pack", "load", "ignition", "shop", "--reason", "again", "--json", account=cast.ada)
    assert (again.code, again.json["refused"]) == (2, "nothing_to_do")


def test_a_newer_version_replaces_its_own_rules_and_leaves_those_that_people_changed(cast: Cast, club: Database):
    first = packs.get("ignition")
    load(cast, club, first)
    edit(cast, club, "users-without-name", hint="Look at the sign-up page.")
    edit(cast, club, "users-without-email", hint="Look at the sign-up page.", pack="")
    given = {"database": club.pk, "off": ["old-activity-events"], "remove": ["points-to-archive"]}
    approve(cast.grace, operations.request_change(ACTION, given, account=cast.ada, reason="We keep them."))
    (loaded,) = loading.loaded_in([club])[club.pk]
    assert (loaded.version, loaded.edited) == (1, ("users-without-email", "users-without-name"))
    seen = loading.outlook(newer(first), club)
    assert (seen.added, seen.replaced) == (("users-without-role",), ("old-activity-events",))
    assert (seen.removed, seen.kept) == (
        ("onboarding-flow",),
        ("points-to-archive", "users-without-email", "users-without-name"),
    )
    load(cast, club, newer(first))
    now = {rule.name: rule for rule in rules_of(club)}
    edited = [now[name] for name in ("users-without-email", "users-without-name")]
    assert [(rule.hint, rule.pack) for rule in edited] == [
        ("Look at the sign-up page.", ""),
        ("Look at the sign-up page.", "ignition 1"),
    ]
    assert (now["old-activity-events"].hint, now["old-activity-events"].off) == ("Other words.", True)
    assert "onboarding-flow" not in now
    assert "points-to-archive" not in now
    assert {rule.pack for rule in now.values()} == {"", "ignition 1", "ignition 2"}
    load(cast, club, newer(first), over_edits=True)
    assert {rule.pack for rule in rules_of(club)} == {"ignition 2"}
    assert [rule.name for rule in rules_of(club) if rule.off] == ["old-activity-events"]  # no load switches one on
    assert sorted((replace(rule, off=False) for rule in rules_of(club)), key=lambda rule: rule.name) == sorted(
        specs_of(newer(first), "sqlite"), key=lambda rule: rule.name
    )
    assert not Rule.objects.filter(database=club, name="onboarding-flow", replaced_by=None).exists()


def test_a_pack_for_another_engine_is_refused(cast: Cast, club: Database):
    with pytest.raises(Refused, match="is for postgresql"):
        loading.load(packs.get("avdaily"), club, account=cast.ada)


def test_before_a_pack_goes_into_the_wrong_database_it_is_said_what_does_not_fit(cast: Cast, sqlite_shop: Any):
    _, row = sqlite_shop
    unfit = dict(loading.outlook(packs.get("ignition"), row, over_edits=False).unfit)
    assert unfit["users-without-email"] == "There is no table users."
    page = Office(people=cast, savings=row, sandbox=row).at("ada").get("/databases/shop/packs/ignition/")
    assert f"{len(unfit)} of them do not fit shop as it is." in page.content.decode()
    asked = loading.load(packs.get("ignition"), row, account=cast.ada, reason="It is the club's.")
    assert "rules of the pack ignition 1" in asked.plan.summary
    assert asked.plan.risk_reasons[0].startswith(f"{len(unfit)} of these ")


def test_a_rule_of_a_pack_that_makes_no_sense_is_named(club: Database):
    pack = packs.get("ignition")
    odd = [{**pack.sections["rules"][0], "spec": {"table": "users", "violates": "load_extension('x')"}}]
    with pytest.raises(Usage, match="Rule users-without-email: The SQL of violates calls load_extension"):
        specs_of(replace(pack, sections={"rules": odd}), "sqlite")


def test_the_pages_tell_what_a_pack_holds_and_ask_for_it(cast: Cast, club: Database):
    office = Office(people=cast, savings=club, sandbox=club)
    ada = office.at("ada")
    listed = ada.get("/packs/").content.decode()
    assert "AV-Daily" in listed and "It is loaded into no database that you may see." in listed
    shown = ada.get("/packs/ignition/").content.decode()
    assert "nullEmailUsers" in shown and '<option value="shop">' in shown
    assert '<option value="shop">' not in ada.get("/packs/solana/").content.decode()
    chosen = ada.get("/packs/ignition/choose/", {"database": "shop"})
    assert chosen.headers["Location"] == "/databases/shop/packs/ignition/"
    before = ada.get("/databases/shop/packs/ignition/").content.decode()
    assert "expected-shape" in before and "Ask to load Ignition into shop" in before
    assert "not fit shop as it is" not in before
    asked = ada.post("/databases/shop/packs/ignition/", {"reason": "It is the club's."})
    approve(cast.grace, Operation.objects.latest("id"))
    page = ada.get(asked.headers["Location"]).content.decode()
    assert "orphaned-accounts" in page
    assert "has version 1" in ada.get("/packs/").content.decode()
    edit(cast, club, "orphaned-accounts", hint="Ask Ben.")
    after = ada.get("/databases/shop/packs/ignition/").content.decode()
    assert "Nothing would change in shop" in after and "stays as people left it" in after
    over = ada.get("/databases/shop/packs/ignition/?over_edits=yes").content.decode()
    assert "is replaced by the pack" in over
    assert office.at("audrey").get("/databases/shop/packs/ignition/").status_code == 403
    assert ada.get("/packs/none/").status_code == 404


def test_the_cleanup_of_a_pack_is_a_fix_of_its_names_in_its_order_and_leaves_users_alone(cast: Cast, club: Database):
    with pytest.raises(Refused, match="No pack with a cleanup is loaded here"):
        operations.draft("fix", club, {"names": "cleanup"}, account=cast.ada)
    load(cast, club, packs.get("ignition"))
    plan = operations.draft("fix", club, {"names": "cleanup"}, account=cast.ada)
    asked = [(found["check"], found["count"]) for found in plan.parameters["findings"]]
    assert asked == [("rule:expired-sessions", 2), ("rule:orphaned-accounts", 1), ("rule:orphaned-sessions", 2)]
    gone = {effect.object: (effect.rows_before, effect.rows_after) for effect in plan.effects}
    assert gone == {"accounts": (4, 3), "sessions": (5, 2)}, "one session is both expired and an orphan"


def test_the_shape_of_a_pack_is_tried_and_edited_on_the_form_of_rules_and_then_stays(cast: Cast, club: Database):
    ada = Office(people=cast, savings=club, sandbox=club).at("ada")
    load(cast, club, packs.get("ignition"))
    form = "/databases/shop/rules/new/shape/?rule=expected-shape"
    assert "&quot;name&quot;: &quot;emailVerified&quot;" in ada.get(form).content.decode()
    given = {"name": "expected-shape", "m-tables": '["users", "habit_logs", "market_items"]', "m-indexes": "",
             "severity": "critical", "category": "Schema", "reason": "We have no other tables."}  # fmt: skip
    tried = ada.post("/databases/shop/rules/try/shape/", given).content.decode()
    for words in ("It does not hold.", "The table habit_logs is missing.", "The table market_items is missing."):
        assert words in tried
    ada.post(form, given)
    approve(cast.grace, Operation.objects.latest("id"))
    seen = loading.outlook(packs.get("ignition"), club)
    assert (seen.kept, seen.changes) == (("expected-shape",), False)
