"""When a schedule is due: whatever the clocks do, a time runs once, and every time is found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsconsole.exceptions import Usage
from opsconsole.scheduling.times import MOST_SLOTS, Times


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def next_of(cron: str, timezone: str, after: str, count: int) -> list[str]:
    return [f"{slot:%m-%d %H:%M}" for slot in islice(Times.of(cron, timezone).after(at(after)), count)]


def test_a_time_that_does_not_exist_runs_once_and_one_that_exists_twice_runs_once() -> None:
    night = "30 2 * * *"
    assert next_of(night, "Europe/Berlin", "2026-03-28", 3) == ["03-28 01:30", "03-29 01:00", "03-30 00:30"]
    assert next_of(night, "Europe/Berlin", "2026-10-24", 3) == ["10-24 00:30", "10-25 00:30", "10-26 01:30"]
    assert next_of(night, "UTC", "2026-03-28", 2) == ["03-28 02:30", "03-29 02:30"]


@pytest.mark.parametrize(
    ("cron", "timezone", "code"),
    [
        ("* * * * *", "UTC", "too_often"),
        ("0 0 31 2 *", "UTC", "bad_cron"),
        ("0 0 0 * * *", "UTC", "bad_cron"),
        ("@daily", "UTC", "bad_cron"),
        ("61 * * * *", "UTC", "bad_cron"),
        ("0 2 * * *", "Atlantis/Capital", "bad_timezone"),
        ("0 2 * * *", "../../etc/passwd", "bad_timezone"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_an_example(cron: str, timezone: str, code: str) -> None:
    with pytest.raises(Usage) as refused:
        Times.of(cron, timezone)
    assert refused.value.code == code
    assert refused.value.next_step


def test_it_is_said_in_words() -> None:
    assert Times.of("0 2 * * *", "UTC").words == "at 02:00 (UTC)"
    assert Times.of("0 4 * * 0", "Europe/Berlin").words == "at 04:00, only on Sunday (Europe/Berlin)"


def test_a_blackout_is_read_in_the_time_zone_of_its_schedule() -> None:
    window = {"days": list(range(7)), "from": "22:00", "to": "06:00"}
    times = Times.of("0 2 * * *", "America/New_York", [window])
    assert times.is_blacked_out(at("2026-07-01T03:00"))  # 23:00 there
    assert not times.is_blacked_out(at("2026-07-01T11:00"))


@settings(max_examples=30, deadline=None)
@given(
    start=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),
    steps=st.lists(st.integers(1, 40_000), min_size=1, max_size=8),
    cron=st.sampled_from(["0 2 * * *", "30 1 * * 0", "15 */6 1,15 * *"]),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)
def test_looking_in_pieces_finds_what_looking_once_finds(
    start: datetime, steps: list[int], cron: str, timezone: str
) -> None:
    times = Times.of(cron, timezone)
    moments = [start.replace(tzinfo=UTC)]
    for minutes in steps:
        moments.append(moments[-1] + timedelta(minutes=minutes))
    whole = times.due(moments[0], moments[-1])
    pieces = [slot for earlier, later in pairwise(moments) for slot in times.due(earlier, later)]
    assert pieces[:MOST_SLOTS] == whole
    assert len(set(whole)) == len(whole)
