"""What a plan looks like on a page, as values."""

from __future__ import annotations

from opsconsole.pages import looks
from opsconsole.plans import Effect, Plan

ADDING = Plan(
    kind="change",
    summary="Kim becomes an engineer.",
    parameters={"action": "person.add", "login": "kim", "password_sealed": "gAAAAA", "name": ""},
    effects=(Effect(object="person/kim", action="created"),),
)


def test_what_is_kept_encrypted_in_a_plan_is_not_shown():
    assert looks.settings_of(ADDING) == {"action": "person.add", "login": "kim"}


def test_a_change_of_the_console_is_no_change_of_tables():
    assert looks.act_of(ADDING) == "make this change"


def test_what_is_created_has_all_its_rows_more():
    coupons = Effect(object="coupons", action="created", rows_after=2)
    (row,) = looks.effects_of(Plan(kind="migrate", summary="", effects=(coupons,)))
    assert (row.difference, row.lost) == (2, 0)
