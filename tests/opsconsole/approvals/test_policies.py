"""Which policies meet an operation, and what changes when one does."""

from __future__ import annotations

from typing import Any

import pytest

from opsconsole import approvals, kinds, operations
from opsconsole.approvals import Place, Rule, RuleSet, Verb, sentence
from opsconsole.arming import arm
from opsconsole.clock import now
from opsconsole.exceptions import OpsError, Refused, Stale, Usage
from opsconsole.models import Policy
from opsconsole.plans import Demand, Growth
from opsconsole.targets import plan_target
from opsconsole.worker import claim
from tests.opsconsole.approvals.scenes import add_database, approve, ask, later

PRODUCTION = Place(environment="production", protected=True, owner_group="default", tags=frozenset({"money"}))
SANDBOX = Place(environment="development", protected=False, owner_group="default")
SCRUB, COPY = Verb(name="scrub"), Verb(name="copy", gated=False)


def rules(*others: Rule) -> RuleSet:
    return RuleSet(default=Rule(name="default"), others=others)


def set_policy(team: Any, **given: Any) -> Any:
    return operations.request_change("policy.set", given, account=team.admin, reason="it is wanted")


def test_without_a_policy_the_default_protects_protected_places_alone() -> None:
    assert rules().requirement(SCRUB, PRODUCTION).policies == ("default v0",)
    assert not rules().requirement(SCRUB, SANDBOX).gated
    assert not rules().requirement(COPY, PRODUCTION).gated


@pytest.mark.parametrize(
    ("match", "met"),
    [
        ({}, True), ({"kinds": ["scrub"]}, True), ({"kinds": ["restore"]}, False),
        ({"environments": ["production"]}, True), ({"environments": ["staging"]}, False),
        ({"tags": ["money", "health"]}, True), ({"tags": ["health"]}, False),
        ({"kinds": ["scrub"], "environments": ["staging"]}, False),
    ],
)  # fmt: skip
def test_a_policy_meets_what_every_key_of_its_match_names(match: dict[str, Any], met: bool) -> None:
    assert Rule(name="wanted", match=match).matches(SCRUB, PRODUCTION) is met


def test_a_kind_that_changes_nothing_is_met_only_when_it_is_named() -> None:
    assert not Rule(name="wanted").matches(COPY, PRODUCTION)
    assert Rule(name="wanted", match={"kinds": ["copy"]}).matches(COPY, PRODUCTION)


def test_all_policies_that_meet_are_merged_to_the_strictest() -> None:
    two = Rule(name="two", clauses=({"role": "approvers", "count": 2},), valid_minutes=600)
    quick = Rule(name="quick", clauses=({"role": "approvers", "count": 1},), valid_minutes=30)
    merged = rules(two, quick).requirement(SCRUB, PRODUCTION)
    assert (merged.votes_needed, merged.valid_minutes, merged.policies) == (2, 30, ("two v0", "quick v0"))


SENTENCES = [
    (
        {"match": {"kinds": ["restore"], "environments": ["production"]}, "clauses": ({"role": "approvers"},)},
        "In production, a restore needs 1 other person of approvers; valid 4 h",
    ),
    (
        {"match": {"tags": ["money"]}, "clauses": ({"role": "approvers"}, {"role": "administrators"}), "min_people": 3},
        "Everywhere, on databases tagged money, every kind that changes data needs 3 other people: "
        "1 of approvers, 1 of administrators; valid 4 h",
    ),
    (
        {"name": "default", "valid_minutes": 90},
        "On protected databases that no other policy covers, every kind that changes data needs 1 other person "
        "of approvers; valid 1 h 30 min",
    ),
    (
        {"growth": Growth(percent=0, rows=20)},
        "Everywhere, every kind that changes data needs 1 other person of approvers; valid 4 h; "
        "stale when more than 0 % and 20 rows more would be lost than was approved",
    ),
    (
        {"demand": Demand(rehearsal_hours=8, rehearsal_data_hours=24)},
        "Everywhere, every kind that changes data needs 1 other person of approvers; valid 4 h; "
        "a migration, or taking one back, needs a rehearsal not older than 8 h on data not older than 24 h",
    ),
]


@pytest.mark.parametrize(("given", "words"), SENTENCES)
def test_a_policy_reads_as_a_sentence(given: dict[str, Any], words: str) -> None:
    assert sentence(Rule(**{"name": "wanted", **given})) == words


def test_a_policy_says_how_far_a_loss_may_grow_and_letting_it_grow_further_is_weaker(team: Any) -> None:
    approve(team.grace, set_policy(team, name="default", loss_growth_percent=0, loss_growth_rows=20))
    needed = approvals.requirement_for(kinds.get("scrub"), [plan_target(team.savings, None)], at=now())
    assert needed.growth == Growth(percent=0, rows=20)
    looser = set_policy(team, name="default", loss_growth_rows=21)
    assert "It asks for less than now" in " ".join(looser.plan.risk_reasons)


def test_evidence_that_a_policy_demands_is_looked_at_when_asking_and_before_the_first_write(
    team: Any, monkeypatch: Any
) -> None:
    approve(team.grace, set_policy(team, name="default", rehearsal_hours=4))
    assert "It asks for less" in " ".join(set_policy(team, name="default", rehearsal_hours=5).plan.risk_reasons)
    asked = ask(team.ada, team.savings)
    approve(team.grace, asked)
    age = {"hours": 5}

    def problems(plan: Any, demand: Demand) -> list[tuple[str, str, str]]:
        old = age["hours"] > demand.rehearsal_hours > 0
        return [("rehearsal_old", "The rehearsal is too old.", "Rehearse it again.")] if old else []

    monkeypatch.setattr(kinds.get("scrub"), "evidence_problems", problems)
    with pytest.raises(Refused, match="too old"):
        ask(team.ada, team.savings)
    claimed = claim(asked.pk)
    assert claimed is not None
    with pytest.raises(Stale, match="The rehearsal is too old"):
        arm(claimed.id, claimed.fence, {})
    age["hours"] = 4
    arm(claimed.id, claimed.fence, {})


def test_the_shipped_default_is_a_row(console: Any) -> None:
    row = Policy.objects.get(name="default")
    assert (row.version, row.clauses, row.enabled) == (1, [{"role": "approvers", "count": 1}], True)
    assert approvals.in_force(now()).default.version == 1


def test_one_target_takes_the_strictest_environment_of_all_its_names(founders: Any) -> None:
    add_database("savings", "production", identity="sqlite:1:2:/a")
    alias = add_database("harmless", "development", identity="sqlite:1:2:/a")
    needed = approvals.requirement_for(kinds.get("scrub"), [plan_target(alias, None)], at=now())
    assert needed.gated and needed.clauses[0].owner_groups == ("default",)


def test_the_owner_group_of_the_protected_name_decides(founders: Any) -> None:
    add_database("savings", "production", identity="sqlite:1:2:/a", owner_group="payments")
    alias = add_database("harmless", "development", identity="sqlite:1:2:/a")
    needed = approvals.requirement_for(kinds.get("scrub"), [plan_target(alias, None)], at=now())
    assert [clause.owner_groups for clause in needed.clauses] == [("payments",)]


def test_source_and_destination_both_count(founders: Any) -> None:
    source = add_database("savings", "production", owner_group="payments")
    destination = add_database("shop", "production")
    plan = kinds.get("scrub").plan(kinds.Request(database=destination, parameters={"source": "savings"}))
    needed = approvals.requirement_for(kinds.get("scrub"), plan.targets, at=now())
    assert {clause.owner_groups for clause in needed.clauses} == {("payments",), ("default",)}
    assert needed.votes_needed == 2 and source.pk != destination.pk


def test_a_kind_that_is_like_another_one_needs_its_people_too_and_not_its_windows(team: Any, need: Any) -> None:
    need("scrub", {"approvers": 2}, windows=[{"days": [0], "from": "00:00", "to": "00:01"}])
    for database in (team.savings, team.sandbox):
        needed = approvals.requirement_for(kinds.get("unscrub"), [plan_target(database, None)], at=now())
        assert (needed.gated, needed.votes_needed, needed.windows) == (True, 2, ())
    assert not approvals.requirement_for(kinds.get("costly"), [plan_target(team.sandbox, None)], at=now()).gated


def test_a_policy_that_was_tightened_meanwhile_asks_for_more(team: Any, need: Any) -> None:
    operation = ask(team.ada, team.savings)
    need("scrub", {"approvers": 2})
    assert approve(team.grace, operation).state == "pending_approval"
    assert approve(team.linus, operation).state == "queued"


def test_a_policy_that_was_loosened_meanwhile_lowers_nothing(team: Any, need: Any, settings: Any) -> None:
    settings.WEAKENED_POLICY_HOURS = 0
    need("scrub", {"approvers": 2})
    operation = ask(team.ada, team.savings)
    done = set_policy(team, name="wanted", clauses=[{"role": "approvers", "count": 1}])
    approve(team.grace, done)
    assert approve(team.linus, done).state == "succeeded"
    assert approvals.in_force(now()).others[0].version == 2
    assert approve(team.grace, operation).state == "pending_approval"


def test_an_operation_that_nobody_was_asked_for_stops_when_a_policy_comes(team: Any, need: Any) -> None:
    operation = ask(team.ada, team.sandbox)
    assert approvals.tally(operation, at=now()).satisfied
    need("scrub", {"approvers": 1})
    assert not approvals.tally(operation, at=now()).satisfied


def test_what_is_tightened_counts_at_once_and_what_is_weakened_a_day_later(team: Any, need: Any) -> None:
    need("scrub", {"approvers": 2})
    assert approvals.in_force(now()).others[0].version == 1
    weaker = set_policy(team, name="wanted", clauses=[{"role": "approvers", "count": 1}])
    assert "24 h after it is confirmed" in [effect.note for effect in weaker.plan.effects]
    approve(team.grace, weaker)
    approve(team.linus, weaker)
    assert approvals.in_force(now()).others[0].version == 1
    with later(hours=25):
        assert approvals.in_force(now()).others[0].version == 2


def test_weakening_a_policy_needs_all_whom_it_asks_for(team: Any, need: Any) -> None:
    need("scrub", {"approvers": 2})
    assert (
        operations.request_change(
            "policy.disable", {"name": "wanted"}, account=team.admin, reason="it is wanted"
        ).votes_needed
        == 2
    )


def test_a_policy_that_takes_the_default_s_place_with_another_role_is_a_weakening(team: Any) -> None:
    given = {"name": "admins", "match": {"environments": ["production"]}, "clauses": [{"role": "administrators"}]}
    asked = set_policy(team, **given)
    assert asked.plan.risk == "high" and "24 h after it is confirmed" in [e.note for e in asked.plan.effects]


def test_two_weakenings_at_once_cannot_both_be_confirmed(team: Any, need: Any) -> None:
    need("scrub", {"approvers": 1})
    first, second = (set_policy(team, name="wanted", valid_minutes=minutes) for minutes in (300, 600))
    assert approve(team.grace, first).state == "succeeded"
    assert approve(team.grace, second).state == "stale"


@pytest.mark.parametrize(
    "given",
    [
        {"name": "Not A Name", "clauses": [{"role": "approvers"}]}, {"name": "a", "clauses": []}, {"name": "a"},
        {"name": "a", "clauses": [{"role": "engineers"}]},
        {"name": "a", "clauses": [{"role": "approvers", "count": 0}]},
        {"name": "a", "clauses": [{"role": "approvers"}, {"role": "approvers"}]}, {"name": "a", "clauses": "nonsense"},
        {"name": "a", "clauses": [{"role": "approvers"}], "match": {"kinds": ["unheard-of"]}},
        {"name": "a", "clauses": [{"role": "approvers"}], "match": {"environments": ["mars"]}},
        {"name": "a", "clauses": [{"role": "approvers"}], "match": {"colour": ["red"]}},
        {"name": "a", "clauses": [{"role": "approvers"}], "windows": [{"from": "25:00", "to": "26:00"}]},
        {"name": "a", "clauses": [{"role": "approvers"}], "valid_minutes": "soon"},
        {"name": "default", "clauses": [{"role": "approvers"}], "match": {"environments": ["production"]}},
        {"name": "a", "clauses": [{"role": "approvers"}], "colour": "red"},
    ],
)  # fmt: skip
def test_a_policy_that_makes_no_sense_is_refused_with_the_reason(team: Any, given: dict[str, Any]) -> None:
    with pytest.raises(Usage) as refused:
        set_policy(team, **given)
    assert refused.value.why


def test_the_default_can_be_changed_but_not_switched_off(team: Any) -> None:
    with pytest.raises(OpsError, match="cannot be switched off"):
        operations.request_change("policy.disable", {"name": "default"}, account=team.admin, reason="it is wanted")
    changed = set_policy(team, name="default", clauses=[{"role": "approvers", "count": 2}])
    assert approve(team.grace, changed).state == "succeeded"
    assert ask(team.ada, team.savings).votes_needed == 2


def test_what_a_policy_would_have_gated_is_told_for_the_last_ninety_days(team: Any) -> None:
    old, gated = ask(team.ada, team.sandbox), ask(team.ada, team.savings)
    ask(team.ada, team.savings, "copy")
    met = approvals.would_have_gated(Rule(name="wanted", match={"kinds": ["scrub"]}), at=now())
    assert [(each.operation.pk, each.was_gated) for each in met] == [(gated.pk, True), (old.pk, False)]
    with later(days=91):
        assert approvals.would_have_gated(Rule(name="wanted", match={"kinds": ["scrub"]}), at=now()) == []
