"""Why a backup of SQLite cannot be restored into a database: (code, why, next step)."""

from __future__ import annotations

import os
from pathlib import Path

from lifecycle.formats.base import SCRATCH, Contents
from opsconsole.engines.base import Engine
from opsconsole.engines.sqlite import SqliteEngine
from opsconsole.engines.sqlite.engine import version_number
from opsconsole.exceptions import OperationFailed

RESERVE_BYTES = 64 << 20  # what a disk keeps free, or a twentieth of what is written when that is more
Refusal = tuple[str, str, str]


def wrong_engine(backup_of: str, engine: Engine) -> Refusal:
    why = f"The backup is one of {backup_of}, the destination is {engine.label}."
    return "wrong_engine", why, "Choose a destination of the same engine."


def lasting(engine: SqliteEngine, contents: Contents, method: str) -> list[Refusal]:
    """What forbids it whatever the requester says."""
    if method == SCRATCH:
        reasons = [_version(contents), _space(engine, contents, replaced=None)]
    else:
        space = _space(engine, contents, replaced=engine.size_bytes())
        reasons = [_method(method), _version(contents), _page_size(engine, contents), space]
    return [reason for reason in reasons if reason]


def overwriting(engine: SqliteEngine, contents: Contents, overwrite: bool) -> list[Refusal]:
    """What `overwrite` allows: replacing a filled database by the backup of another one."""
    if overwrite or contents.source.get("identity") == engine.identity().key:
        return []
    filled = [table.name for table in engine.tables(exact=True) if table.rows]
    if not filled:
        return []
    some = ", ".join(filled[:3]) + (" and others" if len(filled) > 3 else "")
    why = f"The backup is of another database, and this one is not empty ({some} have rows)."
    return [("not_empty", why, "Say overwrite=yes if its content may be replaced.")]


def require_space(folder: Path, needed: int, what: str) -> None:
    facts = os.statvfs(folder)
    free = facts.f_bavail * facts.f_frsize
    if free < needed + _reserve(needed):
        _, why, next_step = _no_space(str(folder), needed, free)
        raise OperationFailed("disk_full", f"There is no room to {what}: {why}", next_step)


def _method(method: str) -> Refusal | None:
    if method == "swap":
        return None
    return (
        "method",
        "An SQLite file is replaced as a whole, in one transaction, by a copy that was proven before.",
        "Use method=swap.",
    )


def _version(contents: Contents) -> Refusal | None:
    theirs = int(contents.source.get("version_number", 0))
    if theirs // 1000 <= version_number() // 1000:
        return None
    return (
        "version",
        f"The backup was taken with SQLite {contents.source.get('server_version')}, which is newer than the one here.",
        "Restore it with a console that has that version of SQLite, or a newer one.",
    )


def _page_size(engine: SqliteEngine, contents: Contents) -> Refusal | None:
    live, wanted = engine.identity().details, str(contents.source.get("page_size"))
    if live["journal_mode"] != "wal" or live["page_size"] == wanted:
        return None
    return (
        "page_size",
        f"The backup has pages of {wanted} bytes, the database of {live['page_size']}, and it is in WAL mode.",
        "Switch the database to journal_mode=DELETE while its programs are stopped, then restore.",
    )


def _space(engine: SqliteEngine, contents: Contents, *, replaced: int | None) -> Refusal | None:
    """Staging file, and a journal (or log) as large as what is replaced or what replaces it (None: nothing is)."""
    plain = copy_bytes(contents)
    needed = plain + (0 if replaced is None else max(plain, replaced))
    with engine.spot() as spot:
        free, folder = spot.free_bytes(), spot.folder
    return None if free >= needed + _reserve(needed) else _no_space(folder, needed, free)


def copy_bytes(contents: Contents) -> int:
    """The size of the file that a backup becomes."""
    facts = contents.source
    pages = int(facts.get("page_count", 0)) * int(facts.get("page_size", 0))
    return max(pages, contents.objects[0].plain_size)  # an old manifest does not know the pages


def _reserve(needed: int) -> int:
    return max(RESERVE_BYTES, needed // 20)


def _no_space(folder: str, needed: int, free: int) -> Refusal:
    why = f"{folder} has {free >> 20} MiB free; {needed >> 20} MiB and a reserve are needed."
    return "not_enough_space", why, "Free space on that disk, then try again."
