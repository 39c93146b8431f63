"""What ticks do without anybody asking, as a table that apps add to."""

from __future__ import annotations

import time
from collections.abc import Callable

Chore = Callable[[], object]
ADDED: dict[str, Chore] = {}


def register_chore(name: str, chore: Chore, *, every: float = 0.0) -> None:
    """Add something that ticks do, at most every so many seconds; it must be safe to run twice at once.

    Raises TypeError for a duplicate.
    """
    if name in ADDED:
        raise TypeError(f"the chore {name} is registered twice")
    ADDED[name] = spaced(chore, every) if every else chore


def spaced(chore: Chore, every: float) -> Chore:
    """The chore, done at most every so many seconds."""
    due = 0.0

    def sometimes() -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + every
            chore()

    return sometimes
