"""Plans have one canonical form, and a digest that anything would change."""

import hashlib
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsconsole.plans import (
    LARGEST_INTEGER,
    Confirmation,
    Effect,
    Plan,
    Precondition,
    Step,
    Target,
    canonical_json,
)

SAVINGS = Target(database="savings", database_id=1, identity="postgresql:1:savings", environment="production")
PLAN = Plan(
    kind="restore",
    summary="savings holds what it held at noon.",
    targets=(SAVINGS,),
    parameters={"backup": "7", "method": "swap"},
    steps=(Step(title="Swap", commit_point=True),),
    effects=(Effect(object="public.users", action="replaced", rows_before=3, rows_after=2),),
    preconditions=(Precondition(probe="identity", subject="target", value="postgresql:1:savings"),),
    risk="high",
    risk_reasons=("Rows are replaced.",),
    evidence={"backup": "7"},
    way_back="Restore the safety backup.",
)


def test_a_plan_survives_the_journey_through_its_bytes():
    assert Plan.from_bytes(PLAN.to_bytes()) == PLAN


@pytest.mark.parametrize("name", [f.name for f in fields(Plan) if f.name != "format"])
def test_changing_any_member_changes_the_digest(name):
    other = {
        "targets": (),
        "steps": (),
        "effects": (),
        "preconditions": (),
        "parameters": {},
        "evidence": {},
        "risk_reasons": (),
    }
    assert replace(PLAN, **{name: other.get(name, "something else")}).digest != PLAN.digest


def test_sealing_makes_two_equal_plans_different():
    assert PLAN.sealed(policy_digest="sha256:0").digest != PLAN.sealed(policy_digest="sha256:0").digest


def test_a_newer_format_is_refused_rather_than_guessed():
    newer = PLAN.to_bytes().replace(b'"format":2', b'"format":3')
    with pytest.raises(ValueError, match="format 3"):
        Plan.from_bytes(newer)


def test_a_plan_of_the_first_format_keeps_its_exact_bytes_and_its_digest():
    bytes_of_then = (
        b'{"effects":[{"action":"replaced","note":"","object":"public.users","rows_after":2,"rows_before":3}],'
        b'"evidence":{"backup":"7"},"format":1,"kind":"restore","nonce":"","parameters":{"backup":"7","method":"swap"},'
        b'"policy_digest":"","preconditions":[{"probe":"identity","subject":"target","value":"postgresql:1:savings"}],'
        b'"risk":"high","risk_reasons":["Rows are replaced."],"steps":[{"artifact":"","commit_point":true,"detail":"",'
        b'"sql":"","title":"Swap"}],"summary":"savings holds what it held at noon.","targets":[{"database":"savings",'
        b'"database_id":1,"environment":"production","identity":"postgresql:1:savings","protected":false,'
        b'"role":"target"}],"way_back":"Restore the safety backup."}'
    )
    plan = Plan.from_bytes(bytes_of_then)
    assert plan == replace(PLAN, format=1)
    assert plan.to_bytes() == bytes_of_then
    assert plan.digest == "sha256:" + hashlib.sha256(bytes_of_then).hexdigest()


def test_what_is_lost_and_what_is_typed_survive_the_journey():
    confirmation = Confirmation(sentence="You would lose 1 users.", number=1, counts="rows that would be lost")
    effects = (replace(PLAN.effects[0], lost=1, changed=0, newest_before="2026-11-20T10:00:00Z", exact=False),)
    plan = replace(PLAN, effects=effects, confirmation=confirmation)
    assert Plan.from_bytes(plan.to_bytes()) == plan


def test_members_are_sorted_as_utf16_and_text_is_not_escaped():
    assert canonical_json({"€": 1, "\r": 2, "\U0001f600": 3, "1": 4}).decode() == '{"\\r":2,"1":4,"€":1,"😀":3}'


@pytest.mark.parametrize("value", [1.5, {"a": 2.0}, LARGEST_INTEGER + 1, {1: "number as key"}, {"a": object()}])
def test_what_readers_could_disagree_about_is_refused(value):
    with pytest.raises(ValueError, match="canonical JSON"):
        canonical_json(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER) | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=20,
    )
)
def test_canonical_bytes_are_a_fixed_point(value):
    import json

    try:
        data = canonical_json(value)
    except UnicodeEncodeError:
        return  # a lone surrogate has no UTF-8
    assert canonical_json(json.loads(data)) == data
