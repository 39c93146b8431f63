"""What is said about taking an operation back: on its page, in lists, and before it is even asked for."""

from __future__ import annotations

from django.conf import settings

from lifecycle.formats import keeper_of
from lifecycle.formats.base import Contents
from lifecycle.loss.values import grouped
from lifecycle.models import KeptCopy, Patch
from lifecycle.restores import kept
from opsconsole.engines.base import Engine
from opsconsole.kinds import Afterwards
from opsconsole.models import Database, Operation
from opsconsole.templatetags.console import clock, size


def undo_of(operation: Operation) -> tuple[Afterwards, ...]:
    """Until when an operation can be undone, or why it cannot be any more; nothing when it replaced nothing."""
    row = kept.copies().filter(operation=operation).first()
    return () if row is None else (of_copy(row),)


def rows_of(operation: Operation) -> tuple[Afterwards, ...]:
    """The rows that a restore took away and kept in a patch, and until when they can be put back."""
    row = Patch.objects.filter(operation=operation).first()
    if row is None:
        return ()
    if row.holds == Patch.Holds.REJECTED:
        return (_rejected(row),)
    if row.state != Patch.State.KEPT:
        return (Afterwards(sentence=f"Its patch, {held(row)}, was kept until {clock(row.expires_at)}."),)
    offer = Afterwards(
        sentence=f"Kept in a patch until {clock(row.expires_at)}: {held(row)} that only the live database had, "
        f"{size(row.stored_bytes)}.",
        link=row.get_absolute_url(),
        link_text=f"Look at patch {row.pk}, or download it",
        kind="reapply" if row.rows else "",
        parameters={"restore": str(row.pk)},
        label=f"Reapply the {held(row)}",
        icon="settings_backup_restore",
    )
    return (offer,)


def _rejected(row: Patch) -> Afterwards:
    """The rows of a document that did not fit, and where they are."""
    until = clock(row.expires_at)
    if row.state != Patch.State.KEPT:
        return Afterwards(sentence=f"The file of the rows that did not fit, {held(row)}, was kept until {until}.")
    return Afterwards(
        sentence=f"{held(row)} did not fit: kept in a file until {until}, each with the reason.",
        link=row.get_absolute_url(),
        link_text="Look at the rows that did not fit, or download them",
    )


def held(row: Patch) -> str:
    """`2 rows of main.orders and 1 more table`: what a patch holds."""
    tables = [name for name, rows in sorted(row.tables.items(), key=lambda each: -each[1]) if rows]
    more = len(tables) - 1
    beside = f" and {more} more table{'s' * (more > 1)}" if more > 0 else ""
    return f"{grouped(row.rows)} row{'s' * (row.rows != 1)}" + (f" of {tables[0]}{beside}" if tables else "")


def of_copy(row: KeptCopy) -> Afterwards:
    """The same, of what is kept."""
    refused = kept.why_not(row)
    if refused is not None:
        link = f"/operations/{row.undone_by_id}/" if row.undone_by_id else ""
        sentence, words = f"{refused.why} {refused.next_step}", f"Open operation {row.undone_by_id}"
        return Afterwards(sentence=sentence, link=link, link_text=words)
    return Afterwards(
        sentence=f"What it replaced is kept until {clock(row.expires_at)}: {where(row)}.",
        kind="undo",
        parameters={"operation": str(row.operation_id)},
        label=f"Undo until {clock(row.expires_at)}",
    )


def named(row: KeptCopy) -> str:
    """`restore 12`: the operation that an undo with this copy takes back."""
    return f"{row.operation.kind} {row.operation_id}"


def act(row: KeptCopy) -> str:
    """`Undo restore 12`, for a button."""
    return f"Take back {named(row)}" if row.operation.kind == "undo" else f"Undo {named(row)}"


def choice(row: KeptCopy) -> str:
    """A copy in a list to choose from."""
    return f"{named(row)} of {row.kept_at:%Y-%m-%d %H:%M} UTC"


def where(row: KeptCopy) -> str:
    """Where a copy is kept and how much it takes."""
    place = f"the database {row.name}" if row.way == KeptCopy.Way.DATABASE else f"safety backup {row.backup_id}"
    return f"{place}, {size(row.size_bytes)}"


def room_for(database: Database, engine: Engine, contents: Contents) -> str:
    """How much a swap takes on the target's server, and for how long the replaced database stays beside the copy."""
    needed, free = keeper_of(engine.name).room(engine, contents)
    known = (
        f"{size(free)} are free" if free is not None else "how much is free there is not known: look before approving"
    )
    both = f"it and what it replaces, {size(engine.size_bytes())}, both exist for {settings.OLD_DATABASE_HOURS} hours"
    others = kept.copies_of(database).filter(way=KeptCopy.Way.DATABASE, state=KeptCopy.State.KEPT)
    held = sum(row.size_bytes for row in others)
    more = f"; databases kept from before take {size(held)}" if held else ""
    return f"the copy takes about {size(needed)} on the server ({known}); {both}{more}"
