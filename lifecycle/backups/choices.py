"""Choosing a backup: by its number, or the latest good one; and what is worth offering in a form."""

from __future__ import annotations

from lifecycle.backups.uses import refuse_absent
from lifecycle.models import Backup, BackupCopy
from lifecycle.models.backups import Backups
from opsconsole.exceptions import Usage
from opsconsole.kinds import Parameter
from opsconsole.models import Database
from opsconsole.row_numbers import row_number

OFFERED = 30
BACKUP = Parameter(
    name="backup",
    label="Backup",
    default="latest",
    help="the number of a backup, or latest: the newest good one that somebody asked for",
)

STORE = Parameter(
    name="store", label="Read in the store", help="which copy of it is read; empty: the first good one that is there"
)


def choose(source: Database, wanted: str) -> Backup:
    """The backup asked for. Raises Usage with the list of what there is, Refused for one that is not there any more."""
    rows = Backup.objects.filter(database=source).select_related("database")
    found = latest(rows) if wanted == "latest" else rows.filter(pk=row_number(wanted)).first()
    if found is not None:
        refuse_absent(found)
        return found
    listed = ", ".join(f"{row.id} ({row.started_at:%Y-%m-%d %H:%M})" for row in rows.present()[:10])
    lacking = f"{source.name} has no {'good backup' if wanted == 'latest' else f'backup {wanted}'}"
    raise Usage(
        "unknown_backup",
        f"{lacking}{'' if listed else ' yet' if wanted == 'latest' else ', nor any other'}.",
        f"It has: {listed}." if listed else f"Back {source.name} up first.",
    )


def latest(rows: Backups) -> Backup | None:
    """The newest good one of everything that somebody asked for; a safety backup, of what was replaced, without one."""
    good = rows.good().filter(part="")
    return good.filter(purpose=Backup.Purpose.REQUESTED).first() or good.first()


def suggestions(database: Database, *, bad: bool = False) -> tuple[tuple[str, str], ...]:
    """Backups as (value, label), the latest good one first; damaged ones only where they are of use."""
    return ("latest", "the latest good one that was asked for"), *numbered(database, bad=bad)


def stores_to_read(database: Database) -> tuple[tuple[str, str], ...]:
    """Stores in which backups of a database lie, as (value, label), the first good copy before all."""
    rows = BackupCopy.objects.filter(backup__database=database).exclude(state=BackupCopy.State.MISSING)
    names = rows.order_by("store").values_list("store", flat=True).distinct()
    return ("", "the first good copy that is there"), *((name, name) for name in names)


def numbered(database: Database, *, bad: bool = True) -> tuple[tuple[str, str], ...]:
    """The same without the word latest, for what asks for a number."""
    rows = Backup.objects.filter(database=database)
    rows = rows.present() if bad else rows.good()
    return tuple((str(row.id), _label(row)) for row in rows[:OFFERED])


def _label(row: Backup) -> str:
    what = f"{row.rows} rows{f' ({row.part})' if row.part else ''}{', portable' if row.format == 'json' else ''}"
    taken_at = f"{row.started_at:%Y-%m-%d %H:%M} UTC" if row.is_dated else row.taken_words
    taken = f"backup {row.id}, taken {taken_at}, {what}, {row.get_purpose_display()}"
    return taken if row.state == Backup.State.GOOD else f"{taken}, damaged"
