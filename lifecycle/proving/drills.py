"""What drills have proved: when a backup was last restored, and how long restoring takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lifecycle.models import Backup

SAME_SERVER, OWN = "same_server", "embedded"
_PLACES = {
    ("postgresql", SAME_SERVER): "on the same server",
    ("postgresql", OWN): "on a server of the console's own",
    ("sqlite", SAME_SERVER): "beside the live file",
    ("sqlite", OWN): "in a private folder of the console",
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One restore into a scratch database that held."""

    backup: int
    at: datetime
    seconds: int
    where: str
    engine: str

    @property
    def words(self) -> str:
        """`about 4 min, measured 2026-11-25 with backup 12, on the same server`."""
        return f"{about(self.seconds)}, measured {self.at:%Y-%m-%d} with backup {self.backup}, {self.place}"

    @property
    def place(self) -> str:
        """Where the copy was built, in words."""
        return place_of(self.engine, self.where)


def place_of(engine: str, where: str) -> str:
    """Where a drill builds its copy, in words."""
    return _PLACES[engine, where]


def about(seconds: int) -> str:
    """A length of time as people say it, for something that will never take exactly so long again."""
    if seconds < 90:
        return f"about {max(1, seconds)} s"
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes < 90 else f"about {minutes // 60} h {minutes % 60} min"


def measured_of(backup: Backup) -> Measured | None:
    """What the newest drill of a backup that held has measured."""
    held = [check for check in backup.checks if check["level"] == "V2" and check["ok"]]
    if not held:
        return None
    newest = held[-1]
    return Measured(
        backup=backup.pk,
        at=datetime.fromisoformat(newest["at"]),
        seconds=newest["restore_seconds"],
        where=newest["where"],
        engine=backup.engine,
    )


def measured_for(backup: Backup) -> Measured | None:
    """How long restoring a backup takes: what a drill of it has measured, else the newest drill of its database."""
    own = measured_of(backup)
    if own is not None:
        return own
    rows = Backup.objects.filter(database_id=backup.database_id).exclude(drilled_at=None)
    newest = rows.order_by("-drilled_at").first()
    return measured_of(newest) if newest else None


def words_for(backup: Backup) -> str:
    """How long restoring takes, in words; empty when nobody has measured it."""
    found = measured_for(backup)
    return found.words if found else ""
