"""Which migrations are meant: all that are pending, up to one, only one; or the last ones, to be taken back."""

from __future__ import annotations

from collections.abc import Sequence

from lifecycle.sources.base import RUNNABLE, Entry, Migration, Source, State
from opsconsole.exceptions import Refused, Usage


def pending(entries: Sequence[Entry], *, to: str = "", only: str = "") -> list[Migration]:
    """What applying would run, in the tool's order. Raises Refused when there is nothing, Usage for an unknown name."""
    if to and only:
        raise Usage("two_ends", "to= and only= cannot both be given.", "Give one of them.")
    waiting = [entry.migration for entry in entries if entry.state in RUNNABLE and entry.migration]
    if to or only:
        wanted = named(entries, to or only)
        if wanted.migration not in waiting:
            raise Refused("not_pending", f"{wanted.name} is not pending: {wanted.sentence}", "Leave it out.")
        place = waiting.index(wanted.migration)
        return waiting[place : place + 1] if only else waiting[: place + 1]
    if not waiting:
        raise Refused(
            "nothing_pending",
            "Nothing is pending: the ledger has every migration of the folder that its tool would apply.",
            "Bring a folder with a new migration.",
        )
    return waiting


def refuse_gap(source: Source, entries: Sequence[Entry], chosen: Sequence[Migration]) -> None:
    """Raise Refused where a tool would never look again at what is left out for the chosen ones."""
    if left := source.passed_over(chosen, entries):
        raise Refused(
            "would_skip",
            f"{source.label} looks only at what comes after the newest applied one, so {left[0].name} would be skipped"
            " for ever.",
            "Use to= instead of only=, so that what comes before is applied as well.",
        )


def applied(entries: Sequence[Entry], *, to: str = "") -> list[Entry]:
    """What a rollback takes back, the newest first: the last one, or all behind `to` (which stays).

    Raises Refused when there is nothing.
    """
    done = [entry for entry in entries if entry.state in (State.APPLIED, State.EDITED, State.UNKNOWN) and entry.row]
    if not done:
        raise Refused(
            "nothing_applied", "The ledger has no migration that could be taken back.", "There is nothing to do."
        )
    if not to:
        return done[-1:]
    wanted = named(entries, to)
    if wanted not in done:
        raise Refused("not_applied", f"{wanted.name} is not applied: {wanted.sentence}", "Name one that is; it stays.")
    behind = done[done.index(wanted) + 1 :]
    if not behind:
        raise Refused(
            "nothing_behind", f"{wanted.name} is the last one that is applied.", "Leave to= out to take it back."
        )
    return behind[::-1]


def named(entries: Sequence[Entry], wanted: str) -> Entry:
    """The entry of that name or key, or the only one that begins so."""
    same = [entry for entry in entries if wanted in (entry.name, entry.key)]
    found = same or [entry for entry in entries if entry.name.startswith(wanted) or entry.key.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(entry.name for entry in (found or entries)[-10:])
    raise Usage(
        "unknown_migration",
        f"{len(found) or 'No'} migrations are called {wanted}." if found else f"There is no migration called {wanted}.",
        f"There are: {listed}." if listed else "The folder has none.",
    )
