"""What the page of an ended operation says about taking it back."""

from __future__ import annotations

from lifecycle import kept
from lifecycle.models import KeptCopy
from opsconsole.kinds import Afterwards
from opsconsole.models import Operation
from opsconsole.templatetags.console import clock, size


def undo_of(operation: Operation) -> Afterwards | None:
    """Until when an operation can be undone, or why it cannot be any more; None when it replaced nothing."""
    row = kept.copies().filter(operation=operation).first()
    return None if row is None else of_copy(row)


def of_copy(row: KeptCopy) -> Afterwards:
    """The same, of what is kept."""
    refused = kept.why_not(row)
    if refused is not None:
        return Afterwards(sentence=f"{refused.why} {refused.next_step}", see=row.undone_by_id)
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
