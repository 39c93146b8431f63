"""Which backups stay and which may go: telling examples, and what holds whatever the backups and the rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.retention.deciding import Candidate, Claim, Fate, decide, last_good_of, too_many
from lifecycle.retention.rule import COUNTS, USUAL, Rule, sentence

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def nightly(count: int, **more: Any) -> list[Candidate]:
    """One good backup a night at 02:00 UTC, number 1 last night, number 2 the night before, ..."""
    last = NOW.replace(hour=2)
    return [Candidate(id=number, started_at=last - (number - 1) * DAY, **more) for number in range(1, count + 1)]


def kept(backups: list[Candidate], rule: Rule, at: datetime = NOW) -> set[int]:
    return {decision.backup for decision in decide(backups, rule, at) if decision.fate == Fate.KEPT}


def test_the_usual_rule_keeps_of_a_year_of_nights_what_its_sentence_says() -> None:
    assert sentence(USUAL) == "keep the last 3 backups, and the newest of 7 days, 4 weeks and 12 months (UTC)"
    found = sorted(kept(nightly(400), USUAL))
    assert found[:7] == [1, 2, 3, 4, 5, 6, 7]  # seven days, the last three among them
    days = [(NOW.replace(hour=2) - (number - 1) * DAY).date() for number in found]
    assert [f"{day:%m-%d}" for day in days[7:9]] == ["11-15", "11-08"]  # the Sundays of the weeks before
    assert [f"{day:%Y-%m-%d}" for day in days[9:]] == [
        "2026-10-31", "2026-09-30", "2026-08-31", "2026-07-31", "2026-06-30", "2026-05-31", "2026-04-30", "2026-03-31",
        "2026-02-28", "2026-01-31", "2025-12-31",
    ]  # fmt: skip


def test_each_backup_tells_all_of_its_reasons_in_words() -> None:
    pin = Claim(code="pin", words="Ada pinned it: before the audit")
    backups = nightly(6)
    backups[0] = replace(backups[0], claims=(pin,), drilled=True)
    told = {decision.backup: decision.sentence for decision in decide(backups, Rule(last=2, daily=3), NOW)}
    assert told[1] == (
        "Stays: it is the last good backup of its database; it is the last one that a drill has restored; Ada pinned "
        "it: before the audit; it is one of the last 2; it is the newest of the day 2026-11-25."
    )
    assert told[3] == "Stays: it is the newest of the day 2026-11-23."
    assert told[6] == "Goes: newer ones fill the last 2 and the 3 daily."


def test_a_pause_in_taking_backups_lets_none_go() -> None:
    assert kept(nightly(5), Rule(daily=5), NOW + 90 * DAY) == {1, 2, 3, 4, 5}


def test_days_end_where_the_rule_says_that_people_live() -> None:
    late, early = (Candidate(id=n, started_at=datetime(2026, 7, 1, h, tzinfo=UTC)) for n, h in ((2, 23), (1, 21)))
    assert kept([late, early], Rule(daily=2)) == {2}  # one day in UTC
    assert kept([late, early], Rule(daily=2, time_zone="Europe/Berlin")) == {1, 2}  # 23:00 and 01:00 of the next


def test_the_hour_that_the_end_of_summer_repeats_is_two_hours() -> None:
    zone = ZoneInfo("Europe/Berlin")
    twice = [Candidate(id=n, started_at=datetime(2026, 10, 25, n, 30, tzinfo=UTC)) for n in (0, 1)]
    assert {backup.started_at.astimezone(zone).hour for backup in twice} == {2}
    assert kept(twice, Rule(hourly=2, time_zone="Europe/Berlin")) == {0, 1}
    spring = [Candidate(id=n, started_at=datetime(2026, 3, 29, n, 30, tzinfo=UTC)) for n in range(4)]
    assert kept(spring, Rule(hourly=4, time_zone="Europe/Berlin")) == {0, 1, 2, 3}
    assert kept(spring, Rule(daily=1, time_zone="Europe/Berlin")) == {3}


def test_a_damaged_backup_is_not_the_last_good_one_and_fills_no_place() -> None:
    backups = nightly(4)
    backups[0] = replace(backups[0], good=False, damaged_at=NOW - HOUR)
    assert last_good_of(backups) == {2}
    assert kept(backups, Rule(last=1)) == {1, 2}  # 1 stays to be looked at
    assert kept(backups, Rule(last=1), NOW + 31 * DAY) == {2}
    assert kept([replace(backups[0])], Rule(last=1), NOW + 31 * DAY) == {1}  # damaged, but there is no good one


def test_the_last_that_a_drill_restored_stays_beside_the_last_good_one() -> None:
    backups = nightly(5)
    backups[3] = replace(backups[3], drilled=True)
    assert kept(backups, Rule(last=1)) == {1, 4}


def test_a_safety_backup_is_the_way_back_until_its_time_is_over_or_it_is_accepted() -> None:
    safety = Candidate(id=9, started_at=NOW - HOUR, safety=True)
    others = nightly(2)
    assert kept([safety, *others], Rule(last=1)) == {9, 1}  # and takes no place of the rule
    assert kept([safety, *others], Rule(last=1), NOW + 7 * DAY) == {1}
    assert kept([replace(safety, accepted=True), *others], Rule(last=1)) == {1}
    undo = Claim(code="undo", words="operation 3 can be undone with it", until=NOW + HOUR)
    assert kept([replace(safety, accepted=True, claims=(undo,)), *others], Rule(last=1)) == {9, 1}
    assert kept([safety], Rule(last=1), NOW + 99 * DAY) == {9}  # the only good one


def test_backups_of_another_incarnation_or_format_have_places_of_their_own() -> None:
    old = [replace(backup, id=backup.id + 100, line="before") for backup in nightly(5)]
    portable = [replace(backup, id=backup.id + 200, format="json") for backup in nightly(5)]
    assert kept([*nightly(5), *old, *portable], Rule(last=2)) == {1, 2, 101, 102, 201, 202}


def test_a_backup_of_some_tables_or_without_a_schema_is_the_last_good_one_only_without_a_whole_one() -> None:
    whole, *others = nightly(3)
    newer = replace(whole, id=9, started_at=NOW, format="json", complete=False)
    assert last_good_of([newer, whole, *others]) == {whole.id}
    assert last_good_of([newer, replace(newer, id=8, started_at=NOW - DAY)]) == {9}
    assert kept([newer, replace(newer, id=8, part="only users"), *others], Rule(last=1)) == {9, 8, 2}


def test_what_was_taken_by_a_clock_that_ran_ahead_stays_and_pushes_nothing_out() -> None:
    ahead = [Candidate(id=50 + n, started_at=NOW + 300 * DAY + n * HOUR) for n in range(5)]
    assert kept([*ahead, *nightly(5)], Rule(last=2)) == {50, 51, 52, 53, 54, 1, 2}


def test_nothing_of_a_rule_that_keeps_every_backup_goes() -> None:
    safety = Candidate(id=99, started_at=NOW - 90 * DAY, safety=True)
    assert kept([*nightly(50), safety], Rule(keeps_all=True)) == {*range(1, 51), 99}


def test_more_than_half_never_goes_at_once() -> None:
    assert too_many(decide(nightly(6), Rule(last=3), NOW)) == ""
    assert too_many(decide(nightly(7), Rule(last=3), NOW)).startswith("4 of 7 backups would go at once")


def test_one_in_the_trash_fills_no_place_and_is_brought_back_when_it_is_the_only_good_one() -> None:
    gone, other = (replace(backup, trashed_until=NOW + DAY) for backup in nightly(2))
    (decision,) = decide([gone], Rule(last=1), NOW)
    assert (decision.fate, decision.codes) == (Fate.TRASHED, {"last_good"})
    assert kept([gone, other, *nightly(5)[2:]], Rule(last=1)) == {3}


# -- whatever the backups ---------------------------------------------------------------------------------------------

TIMES = st.integers(min_value=-200 * 24, max_value=48).map(lambda hours: NOW + hours * HOUR)  # many equal ones
CLAIMS = st.builds(
    Claim,
    code=st.sampled_from(["pin", "hold", "use"]),
    words=st.just("somebody said so"),
    until=st.one_of(st.none(), TIMES),
)
BACKUPS = st.lists(
    st.builds(
        Candidate,
        id=st.integers(min_value=1, max_value=10_000),
        started_at=TIMES,
        line=st.sampled_from(["a", "a", "b"]),
        format=st.sampled_from(["native", "native", "json"]),
        complete=st.integers(0, 2).map(lambda n: n != 0),
        safety=st.integers(0, 4).map(lambda n: n == 0),
        good=st.integers(0, 4).map(lambda n: n != 0),
        drilled=st.integers(0, 5).map(lambda n: n == 0),
        claims=st.lists(CLAIMS, max_size=1).map(tuple),
        accepted=st.booleans(),
        damaged_at=st.one_of(st.none(), TIMES),
        trashed_until=st.one_of(st.none(), st.none(), st.none(), TIMES),
    ),
    max_size=24,
    unique_by=lambda backup: backup.id,
)
RULES = st.builds(
    Rule,
    **{name: st.integers(min_value=0, max_value=6) for name in COUNTS},
    time_zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    keeps_all=st.integers(0, 9).map(lambda n: n == 0),
)
telling = settings(max_examples=40, deadline=None)


@telling
@given(BACKUPS, RULES)
def test_each_backup_has_one_fate_and_a_reason_for_it(backups: list[Candidate], rule: Rule) -> None:
    found = decide(backups, rule, NOW)
    assert [decision.backup for decision in found] == [backup.id for backup in backups]
    assert all(decision.reasons and all(reason.words for reason in decision.reasons) for decision in found)
    assert decide(backups[::-1], rule, NOW) == found[::-1]  # the order in which they are read decides nothing


@telling
@given(BACKUPS, RULES)
def test_the_last_good_ones_never_go(backups: list[Candidate], rule: Rule) -> None:
    stays, present = kept(backups, rule), [backup for backup in backups if backup.present]
    every = [backup for backup in present if backup.good]
    good = [backup for backup in every if backup.complete] or every
    asked_for = [backup for backup in good if not backup.safety] or good
    if asked_for:
        assert max(asked_for, key=lambda backup: backup.order).id in stays
    if drilled := [backup for backup in good if backup.drilled]:
        assert max(drilled, key=lambda backup: backup.order).id in stays
    if present and not good:
        assert stays == {backup.id for backup in present}


@telling
@given(BACKUPS, RULES)
def test_what_somebody_holds_pins_or_uses_never_goes(backups: list[Candidate], rule: Rule) -> None:
    claimed = {b.id for b in backups if b.present and any(claim.until is None for claim in b.claims)}
    assert claimed <= kept(backups, rule)


@telling
@given(BACKUPS, RULES)
def test_the_last_ones_of_each_line_and_format_stay(backups: list[Candidate], rule: Rule) -> None:
    countable = [b for b in backups if b.present and b.good and not b.safety and b.started_at <= NOW]
    for line, format in {(b.line, b.format) for b in countable}:
        mine = sorted((b for b in countable if (b.line, b.format) == (line, format)), key=lambda b: b.order)
        assert {b.id for b in mine[::-1][: rule.last]} <= kept(backups, rule)


@telling
@given(BACKUPS, RULES, st.sampled_from(COUNTS), st.integers(1, 5))
def test_a_larger_number_keeps_everything_that_a_smaller_one_kept(
    backups: list[Candidate], rule: Rule, name: str, more: int
) -> None:
    larger = replace(rule, **{name: getattr(rule, name) + more})
    assert kept(backups, rule) <= kept(backups, larger)
    assert larger.covers(rule)
    assert not rule.covers(larger) or rule.keeps_all


@telling
@given(BACKUPS, RULES)
def test_letting_go_of_what_goes_changes_the_fate_of_nothing_else(backups: list[Candidate], rule: Rule) -> None:
    stays = kept(backups, rule)
    left = [backup for backup in backups if not backup.present or backup.id in stays]
    assert kept(left, rule) == stays
