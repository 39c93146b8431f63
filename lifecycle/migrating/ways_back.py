"""How a migration is taken back: by its own down file, or by the safety backup; and after which step only by that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lifecycle.migrating.findings import Reviewed
from lifecycle.models import Backup
from lifecycle.proving import drills
from lifecycle.sources.acts import Unit
from lifecycle.sources.base import Migration
from opsconsole.review import Severity

if TYPE_CHECKING:
    from lifecycle.migrating.planning import Subject


def point_of_no_return(units: Sequence[Unit], chosen: Sequence[Migration], found: Sequence[Reviewed]) -> int | None:
    """The number of the first unit after which only a restore goes back, for it destroys, or has no way back."""
    ways = {each.key: each.down for each in chosen}
    for number, unit in enumerate(units):
        destroys = any(each.unit == number and destroys_something(each) for each in found)
        if destroys or any(not ways.get(key) for key in unit.migrations):
            return number
    return None


def destroys_something(reviewed: Reviewed) -> bool:
    """Whether something in its text is known to take rows or values away."""
    return (reviewed.review.worst or Severity.INFO) >= Severity.DESTRUCTIVE


def words(kind: str, subject: Subject, chosen: Sequence[Migration], *, takes: bool, backup: Backup | None) -> str:
    """The ways that there are, quickest first. `takes` says that rows or values go."""
    have = [each for each in chosen if each.down]
    parts = []
    if kind == "rollback":
        parts.append("Apply the migrations again; rows that went do not come back by that.")
    elif len(have) == len(chosen):
        parts.append(f"Rollback runs the tool's own way back of {'it' if len(have) == 1 else f'all {len(have)}'}.")
        if takes:
            parts.append("It does not bring back the rows and values that go.")
    elif have:
        parts.append(f"{len(have)} of {len(chosen)} have a way back of their own; the others do not.")
    else:
        them = "it" if len(chosen) == 1 else "them"
        parts.append(f"The folder has no way back for {them} ({subject.source.label}).")
    parts.append(
        f"The safety backup holds everything as it was; restoring takes {restoring(backup)}, and what was written "
        "since is lost then."
    )
    return " ".join(parts)


def restoring(backup: Backup | None) -> str:
    """How long a restore takes, as measured."""
    measured = drills.words_for(backup) if backup else ""
    return measured or "a time that nobody has measured: no drill has restored a backup of it"


def of_resolution(backup: Backup | None) -> str:
    """How a ledger that was set right is set back."""
    return (
        "Set it right again the other way. The safety backup holds everything as it was; restoring takes "
        f"{restoring(backup)}, and what was written since is lost then."
    )
