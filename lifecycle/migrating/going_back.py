"""What a rollback runs, of the database itself and of a copy alike: the tool's own way back, the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lifecycle.migrating import offering, selecting
from lifecycle.migrating.planning import Seen, Subject
from lifecycle.sources.acts import Unit
from lifecycle.sources.base import Entry, Migration
from opsconsole.exceptions import Refused


@dataclass(frozen=True, kw_only=True)
class GoingBack:
    """The migrations that are taken back, in the order in which that is done, and what does it."""

    chosen: Sequence[Migration]
    units: Sequence[Unit]


def back_to(subject: Subject, seen: Seen, to: str) -> GoingBack:
    """Of the last migration, or of all behind `to`, which stays. Raises Refused, with what to do instead; Usage."""
    entries = selecting.applied(seen.entries, to=to)
    chosen = [entry.migration for entry in entries if entry.migration]
    return GoingBack(chosen=chosen, units=_units(subject, seen, entries))


def _units(subject: Subject, seen: Seen, entries: Sequence[Entry]) -> list[Unit]:
    source, ledger, units = subject.source, seen.ledger, list[Unit]()
    for entry in entries:
        try:
            unit = source.down(entry, ledger, seen.place, subject.folder.options)
        except Refused as refused:
            raise Refused(refused.code, refused.why, offering.instead_of_down(subject.database, refused)) from refused
        units.append(unit)
        ledger = source.taken_back(unit, ledger)
    return units
