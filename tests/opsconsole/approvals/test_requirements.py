"""Two requirements become the strictest of both; what is stored reads back as it was."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from opsconsole.approvals import Clause, Requirement, Window, strictest
from opsconsole.plans import Demand, Growth

APPROVERS = Clause(roles=("approvers",), owner_groups=("default",))
NIGHT = Window(days=(5, 6), begins=time(22), ends=time(4))


def asking(*clauses: Clause, **more: object) -> Requirement:
    needed = sum(clause.count for clause in clauses)
    return Requirement(**{"gated": True, "votes_needed": needed, "clauses": clauses, **more})  # type: ignore[arg-type]


def test_all_clauses_the_larger_count_and_the_shorter_validity_count() -> None:
    two = Clause(roles=("approvers",), owner_groups=("default",), count=2)
    admins = Clause(roles=("administrators",), owner_groups=("default",))
    merged = strictest(asking(APPROVERS, valid_minutes=60), asking(two, admins, valid_minutes=240))
    assert set(merged.clauses) == {two, admins}
    assert (merged.votes_needed, merged.valid_minutes) == (3, 60)


def test_the_smaller_growth_of_a_loss_counts() -> None:
    merged = strictest(asking(APPROVERS, growth=Growth(percent=5, rows=500)), asking(APPROVERS))
    assert merged.growth == Growth(percent=5, rows=100)
    assert Requirement.from_json(merged.as_json()) == merged


def test_the_younger_evidence_counts_and_asking_for_older_one_covers_less() -> None:
    fresh, both = Demand(rehearsal_hours=2), Demand(rehearsal_hours=8, rehearsal_data_hours=24)
    merged = strictest(asking(APPROVERS, demand=fresh), asking(APPROVERS, demand=both))
    assert merged.demand == Demand(rehearsal_hours=2, rehearsal_data_hours=24)
    assert Requirement.from_json(merged.as_json()) == merged
    assert merged.covers(asking(APPROVERS, demand=both))
    assert not asking(APPROVERS, demand=both).covers(merged)
    assert not asking(APPROVERS).covers(asking(APPROVERS, demand=both))


def test_what_was_stored_before_growth_was_known_has_the_usual_one() -> None:
    raw = asking(APPROVERS).as_json()
    del raw["growth"]
    assert Requirement.from_json(raw).growth == Growth(percent=10, rows=100)


@pytest.mark.parametrize(
    ("approved", "now", "allowed"), [(0, 100, True), (0, 101, False), (5000, 5500, True), (5000, 5501, False)]
)
def test_a_loss_may_grow_by_a_part_or_by_rows_whichever_is_larger(approved: int, now: int, allowed: bool) -> None:
    assert Growth().allows(approved, now) is allowed


def test_the_same_role_in_two_owner_groups_is_two_seats() -> None:
    other = Clause(roles=("approvers",), owner_groups=("payments",))
    assert strictest(asking(APPROVERS), asking(other)).votes_needed == 2


def test_more_people_than_seats_stay_asked_for() -> None:
    assert strictest(asking(APPROVERS, votes_needed=3), asking(APPROVERS)).votes_needed == 3


@pytest.mark.parametrize("turned", [False, True])
def test_what_asks_for_nobody_takes_nothing_away(turned: bool) -> None:
    pair = (asking(APPROVERS), Requirement(gated=False))
    merged = strictest(*(reversed(pair) if turned else pair))
    assert merged.gated and merged.clauses == (APPROVERS,)


def test_it_reads_back_as_it_was_stored() -> None:
    asked = asking(APPROVERS, windows=((NIGHT,),), policies=("a v1",), sentences=("s",), policy_digest="sha256:0")
    assert Requirement.from_json(asked.as_json()) == asked


@pytest.mark.parametrize(
    ("moment", "held"),
    [
        ("2026-11-21T23:00", True),
        ("2026-11-22T03:59", True),
        ("2026-11-23T03:59", True),
        ("2026-11-20T23:00", False),
        ("2026-11-21T12:00", False),
    ],
)
def test_a_window_past_midnight_belongs_to_the_day_it_begins(moment: str, held: bool) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert NIGHT.holds(at) is held
    assert asking(APPROVERS, windows=((NIGHT,),)).is_open(at) is held


def test_every_policy_must_have_its_window_open() -> None:
    day = Window(days=tuple(range(7)), begins=time(8), ends=time(18))
    asked = strictest(asking(APPROVERS, windows=((NIGHT,),)), asking(APPROVERS, windows=((day,),)))
    assert not asked.is_open(datetime(2026, 11, 21, 23, tzinfo=UTC))


@pytest.mark.parametrize(
    ("weaker", "why"),
    [
        (Requirement(gated=False), "nobody is asked"),
        (asking(Clause(roles=("administrators",))), "another role"),
        (asking(APPROVERS, valid_minutes=241), "longer validity"),
        (asking(APPROVERS), "no window"),
        (asking(APPROVERS, windows=((NIGHT,),), growth=Growth(percent=11, rows=100)), "a larger part may be lost"),
        (asking(APPROVERS, windows=((NIGHT,),), growth=Growth(percent=10, rows=101)), "more rows may be lost"),
    ],
)
def test_what_asks_for_less_does_not_cover(weaker: Requirement, why: str) -> None:
    asked = asking(APPROVERS, valid_minutes=240, windows=((NIGHT,),))
    assert asked.covers(asked)
    assert not weaker.covers(asked), why
