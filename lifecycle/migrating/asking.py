"""How migrations are asked for: the parameters of the kinds, and which of them a form shows."""

from __future__ import annotations

from lifecycle.migrating import patience
from opsconsole.databases import protected
from opsconsole.exceptions import Refused, Usage
from opsconsole.kinds import Parameter, Request
from opsconsole.models import Database

FOLDER = Parameter(
    name="folder", label="Folder", local=True, help="the tool's folder, or a repository, on this machine; it is brought"
)
BROUGHT = Parameter(
    name="brought", label="Folder", help="the number of a folder that was brought; empty for the newest"
)
ROOT = Parameter(
    name="root", label="Folder on the server", help="a path under OPSCONSOLE_ROOTS, instead of a brought one"
)
PATH = Parameter(name="path", label="Within it", help="the folder of migrations within a repository that has several")
TOOL = Parameter(name="tool", label="Tool", help="whose migrations they are; empty to find out")
TO = Parameter(
    name="to", label="Up to", help="the last migration to apply, by its name or how it begins; empty for all"
)
BACK_TO = Parameter(
    name="to", label="Back to", help="the migration that stays, all behind it are taken back; empty for the last one"
)
ONLY = Parameter(name="only", label="Only", help="one pending migration, and nothing else")
BACKUP = Parameter(
    name="backup",
    label="Safety backup",
    choices=(("yes", "yes"), ("no", "no: only on unprotected databases")),
    default="yes",
    help="yes, or no where the database is not protected",
)
LOCK_WAIT = Parameter(
    name="lock_wait", label="Wait for a lock", default="5", help="seconds that a statement waits for a lock, at a time"
)
LOCK_TRIES = Parameter(
    name="lock_tries",
    label="Tries",
    default="5",
    help="how often a migration that got no lock, and did nothing, is tried",
)
TIMEOUTS = Parameter(
    name="timeouts",
    label="Longest statements",
    default=patience.DEFAULT,
    help="seconds by class of statement (0: no limit), or one number for all",
)
COMMON = (BACKUP, LOCK_WAIT, LOCK_TRIES, TIMEOUTS)


def refuse_bad(request: Request) -> None:
    """Raise Usage for a number or limits that are none."""
    patience.Limits.read(request.parameters["timeouts"])
    for name, most in (("lock_wait", 300), ("lock_tries", 100)):
        value = request.parameters[name]
        if not value.isdecimal() or not 1 <= int(value) <= most:
            raise Usage("bad_value", f"{value!r} is no value of {name}.", f"Write a number from 1 to {most}.")


def refuse_without_backup(database: Database, backup: str) -> None:
    """Raise Refused where no safety backup was wanted and the database is protected: when planned, or by now."""
    if backup == "no" and protected(database):
        raise Refused(
            "backup_needed",
            f"{database.name} is protected, so a safety backup is always taken first.",
            "Ask again without backup=no.",
        )
