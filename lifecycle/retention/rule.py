"""A rule as a value: how many backups are kept, said in a sentence, and whether another rule keeps less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

PERIODS = ("hourly", "daily", "weekly", "monthly", "yearly")
COUNTS = ("last", *PERIODS)
MOST = 10_000  # backups that one number may keep


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Keep the last ones, and the newest of so many hours, days, weeks, months and years that have any (GFS).

    Only periods that hold a backup count, so a pause in taking backups lets none go. The borders of the periods are
    those of `time_zone`; weeks begin on Monday (ISO 8601). With `move_to`, what is older than `move_days` days lies in
    the store of that name only.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    time_zone: str = "UTC"
    keeps_all: bool = False
    move_days: int = 0
    move_to: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """The numbers by name."""
        return {name: getattr(self, name) for name in COUNTS}

    def covers(self, other: Rule) -> bool:
        """Whether everything that `other` keeps is kept by this rule, whatever the backups."""
        if self.keeps_all:
            return True
        if other.keeps_all or self.time_zone != other.time_zone:
            return False
        return all(mine >= theirs for mine, theirs in zip(self.counts.values(), other.counts.values(), strict=True))


USUAL = Rule(last=3, daily=7, weekly=4, monthly=12)  # what counts where nobody has set anything


def sentence(rule: Rule) -> str:
    """`keep the last 3 backups, and the newest of 7 days, 4 weeks and 12 months (UTC)`."""
    if not rule.move_to:
        return _kept(rule)
    return f"{_kept(rule)}; move those older than {_plural(rule.move_days, 'day')} to the store {rule.move_to}"


def _kept(rule: Rule) -> str:
    if rule.keeps_all:
        return "keep every backup"
    last = f"the last {_plural(rule.last, 'backup')}" if rule.last != 1 else "the last backup"
    spans = [
        _plural(getattr(rule, name), word)
        for name, word in zip(PERIODS, ("hour", "day", "week", "month", "year"), strict=True)
        if getattr(rule, name)
    ]
    parts = [last] if rule.last else []
    if spans:
        parts.append(f"the newest of {_listed(spans)} ({rule.time_zone})")
    return f"keep {', and '.join(parts)}" if parts else "keep nothing but the last good backup"


def period_of(name: str, at: datetime, zone: ZoneInfo) -> tuple[object, ...]:
    """Which hour, day, week, month or year a moment belongs to; equal for two moments of the same one.

    An hour that a change of the clocks repeats is two hours.
    """
    return _PERIODS[name](at.astimezone(zone))


def words_of(name: str, at: datetime, zone: ZoneInfo) -> str:
    """The same for people: `the day 2026-11-25`, `week 48 of 2026`."""
    local = at.astimezone(zone)
    year, week, _ = local.isocalendar()
    return {
        "hourly": f"the hour {local:%Y-%m-%d %H}:00",
        "daily": f"the day {local:%Y-%m-%d}",
        "weekly": f"week {week} of {year}",
        "monthly": f"{local:%B %Y}",
        "yearly": f"the year {local.year}",
    }[name]


_PERIODS: dict[str, Callable[[datetime], tuple[object, ...]]] = {
    "hourly": lambda local: (local.date(), local.hour, local.utcoffset()),
    "daily": lambda local: (local.date(),),
    "weekly": lambda local: tuple(local.isocalendar()[:2]),
    "monthly": lambda local: (local.year, local.month),
    "yearly": lambda local: (local.year,),
}


def _plural(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _listed(words: list[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
