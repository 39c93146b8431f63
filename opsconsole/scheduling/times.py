"""When a schedule is due: cron expressions in a time zone, blackouts, and both in words. Pure functions.

Where clocks jump, a time that does not exist runs once at the next one that does, and one that exists twice runs once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from cron_descriptor import CasingTypeEnum, Options, get_description
from cronsim import CronSim, CronSimError

from opsconsole.approvals.requirement import Window
from opsconsole.exceptions import Usage

LEAST_MINUTES = 5  # between two times of a schedule
MOST_SLOTS = 5000  # that are looked at in one go; at least two weeks of them


@dataclass(frozen=True, kw_only=True)
class Times:
    """When something is due. `cron` and `blackouts` are read in `timezone`."""

    cron: str
    timezone: str = "UTC"
    blackouts: tuple[Window, ...] = ()

    @classmethod
    def of(cls, cron: str, timezone: str, blackouts: Iterable[Mapping[str, Any]] = ()) -> Times:
        """Raises Usage when the expression or the time zone cannot be read, or it is due too often."""
        if timezone not in available_timezones():
            raise Usage(
                "bad_timezone", f"There is no time zone called {timezone!r}.", "Use a name like UTC or Europe/Berlin."
            )
        times = cls(cron=" ".join(cron.split()), timezone=timezone, blackouts=tuple(map(Window.from_row, blackouts)))
        times._refuse_odd()
        return times

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times after a moment, in UTC, without end."""
        for found in CronSim(self.cron, moment.astimezone(ZoneInfo(self.timezone))):
            yield found.astimezone(UTC)

    def due(self, after: datetime, until: datetime) -> list[datetime]:
        """The times in (after, until], oldest first; of more than MOST_SLOTS the oldest ones."""
        return list(islice(takewhile(lambda slot: slot <= until, self.after(after)), MOST_SLOTS))

    def is_blacked_out(self, at: datetime) -> bool:
        """Whether nothing may start now."""
        local = at.astimezone(ZoneInfo(self.timezone)).replace(tzinfo=UTC)  # windows are read as they are written
        return any(window.holds(local) for window in self.blackouts)

    @property
    def words(self) -> str:
        """`at 02:00, only on Sunday (UTC)`."""
        options = Options()
        options.use_24hour_time_format = True
        options.casing_type = CasingTypeEnum.Sentence
        said = get_description(self.cron, options)
        return f"{said[:1].lower()}{said[1:]} ({self.timezone})"

    def _refuse_odd(self) -> None:
        if len(self.cron.split()) != 5:
            raise Usage(
                "bad_cron", f"{self.cron!r} is no schedule: five fields are needed.",
                "Minute, hour, day of the month, month, day of the week: 0 2 * * * is every night at 02:00.",
            )  # fmt: skip
        try:
            first = list(islice(self.after(datetime(2026, 1, 1, tzinfo=UTC)), 200))
        except CronSimError as error:
            raise Usage("bad_cron", f"{self.cron!r} is no schedule: {error}.", "0 2 * * * is every night.") from None
        if not first:
            raise Usage("bad_cron", f"{self.cron!r} is never due.", "Name a day that exists.")
        if any(later - earlier < timedelta(minutes=LEAST_MINUTES) for earlier, later in pairwise(first)):
            raise Usage(
                "too_often",
                f"{self.cron!r} is due more often than every {LEAST_MINUTES} minutes.",
                "Choose fewer times.",
            )
