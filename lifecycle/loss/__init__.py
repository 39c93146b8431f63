"""The loss preview: what a live database would lose if a backup, or a database that was kept, took its place.

It reads both sides and writes nothing into either. How it compares is in `comparing`; what it says in `values`.
"""

from __future__ import annotations

from django.conf import settings

from lifecycle.backups.manifest import Manifest
from lifecycle.formats.base import Archive
from lifecycle.loss import postgresql, sqlite
from lifecycle.loss.comparing import Keep, Limits, compare
from lifecycle.loss.growth import moved
from lifecycle.loss.sides import Deadline
from lifecycle.loss.values import LossPreview, TableLoss
from opsconsole.engines.base import Engine
from opsconsole.exceptions import TargetProblem

__all__ = ["Keep", "Limits", "LossPreview", "TableLoss", "limits", "moved", "of_backup", "of_kept", "unhurried"]

LOCKED = "the backup is encrypted, and no key at hand opens it"
_VENDORS = {"postgresql": postgresql, "sqlite": sqlite}


def limits(*, patience: float = 1.0) -> Limits:
    """The limits of a comparison while a person waits for the page; `patience` times as long where nobody does."""
    return Limits(
        exact_rows=settings.LOSS_EXACT_ROWS,
        sample_rows=settings.LOSS_SAMPLE_ROWS,
        seconds=settings.LOSS_SECONDS * patience,
    )


def unhurried() -> Limits:
    """The limits in a run, where nobody waits for a page."""
    return limits(patience=4.0)


def of_backup(
    live: Engine,
    archive: Archive,
    manifest: Manifest,
    name: str,
    within: Limits | None = None,
    keep: Keep | None = None,
) -> LossPreview:
    """What `live` would lose if the backup (`name` in words: "backup 12"), read in `archive`, were restored into it.

    `keep` is given the rows that only `live` has, as in `comparing.compare`.

    Raises TargetProblem when the database cannot be read at all; a table that cannot be is told with less, in words.
    """
    wanted = within or limits()
    deadline = Deadline(wanted.seconds)
    with _VENDORS[live.name].beside_backup(live, archive, manifest, name, deadline) as (here, there):
        if manifest.public_keys and not archive.identities:
            there.hidden_why = LOCKED
        return compare(here, there, wanted, deadline, keep)


def of_kept(live: Engine, database: str, name: str, within: Limits | None = None) -> LossPreview:
    """What `live` would lose if another database of its server (`name` in words) came back in its place.

    Raises TargetProblem when either cannot be read at all, or the vendor keeps no databases.
    """
    wanted = within or limits()
    deadline = Deadline(wanted.seconds)
    if live.name != postgresql.VENDOR:
        raise TargetProblem("missing", f"{live.label} keeps no replaced databases.", "Restore the safety backup.")
    with postgresql.beside_kept(live, database, name, deadline) as (here, there):
        return compare(here, there, wanted, deadline)
