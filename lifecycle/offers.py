"""What the page of an ended operation says about taking it back."""

from __future__ import annotations

from lifecycle import kept
from lifecycle.models import KeptCopy
from opsconsole.kinds import Afterwards
from opsconsole.models import Operation
from opsconsole.templatetags.console import clock, size

_WHERE = {
    KeptCopy.Way.DATABASE: "the database {name} beside the live one, which takes {size}",
    KeptCopy.Way.BACKUP: "its safety backup, which takes {size}",
}


def undo_of(operation: Operation) -> Afterwards | None:
    """Until when an operation can be undone, or why it cannot be any more; None when it replaced nothing."""
    row = kept.copies().filter(operation=operation).first()
    return None if row is None else of_copy(row)


def of_copy(row: KeptCopy) -> Afterwards:
    """The same, of what is kept."""
    refused = kept.why_not(row)
    if refused is not None:
        return Afterwards(sentence=f"{refused.why} {refused.next_step}")
    return Afterwards(
        sentence=f"What it replaced is kept until {clock(row.expires_at)}: {where(row)}.",
        kind="undo",
        parameters={"operation": str(row.operation_id)},
        label=f"Undo until {clock(row.expires_at)}",
    )


def where(row: KeptCopy) -> str:
    """Where a copy is kept and how much it takes."""
    return _WHERE[KeptCopy.Way(row.way)].format(name=row.name, size=size(row.size_bytes))


def choice(row: KeptCopy) -> str:
    """A copy in a list to choose from."""
    done = f"{row.operation.kind} {row.operation_id}, done {row.kept_at:%Y-%m-%d %H:%M} UTC"
    return f"{done}, can be undone until {clock(row.expires_at)}"
