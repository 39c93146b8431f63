"""Proving a backup at one of three levels: V0 its stored bytes, V1 everything read back, V2 a real restore.

V2 builds the copy through the code that every restore uses, compares it with the backup, asks the database's own
statements of it, and drops it. How long the restore itself took is what a restore will take.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from lifecycle.backups import archives, twins
from lifecycle.backups.manifest import Manifest
from lifecycle.encryption import unlocking
from lifecycle.formats import format_of
from lifecycle.formats.base import PART, SCRATCH, Archive, Contents, Format
from lifecycle.models import Backup
from lifecycle.proving import grounds, smoke, stored
from lifecycle.proving.drills import OWN, SAME_SERVER
from opsconsole.engines.base import Engine
from opsconsole.exceptions import OperationFailed, Refused
from opsconsole.kinds import Run

MOST_NAMED = 3  # differences in one sentence
# What says of a backup itself that it is not what it should be; everything else is an inability.
DAMAGE = frozenset(
    {"backup_damaged", "backup_missing", "manifest_damaged", "manifest_signature", "manifest_swapped"}
    | {"counts_differ", "schema_differs", "copy_differs", "smoke_failed", "not_restorable", "twins_differ"}
)
# Errors of a program or a server that tell of the place and not of the backup; names in quotes are left out before.
_OF_THE_PLACE = re.compile(
    r"no space left|disk full|out of (shared )?memory|invalid memory alloc|file size exceeds|input/output error"
    r"|connection|could not connect|server closed|EOF detected|broken pipe|lost synchronization|\b(SSL|TLS)\b"
    r"|terminating|cancell?ing|timeout|too many|deadlock|could not (obtain|acquire) lock|being accessed by other users"
    r"|permission denied|must be (owner|superuser|member|able)|authentication|not available|read-only transaction"
    r"|shutting down|starting up|recovery mode|not (yet |currently )?accepting|invalid page"
    r"|could not (open|read|write|extend|access|load|fsync|stat|truncate|seek|remove|rename|resize|fork|receive|send)"
    r"|could not create (file|directory)|(role|database|tablespace) <> does not exist",
    re.IGNORECASE,
)
_QUOTED = re.compile(r'"[^"]*"')


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What held: one sentence, and for V2 where the copy was built and how long that took."""

    detail: str
    where: str = ""
    restore_seconds: int | None = None

    def facts(self) -> dict[str, str | int]:
        return {} if self.restore_seconds is None else {"where": self.where, "restore_seconds": self.restore_seconds}


def verify(
    run: Run,
    backup: Backup,
    level: str,
    found: archives.Found,
    *,
    where: str,
    statements: Sequence[Mapping[str, str]] = (),
) -> Outcome:
    """Prove one level of the copy that was `found`.

    Raises OperationFailed (see `is_damage`), TargetProblem, Refused, Cancelled.
    """
    manifest, archive = archives.read_for(backup, found.manifest), found.archive
    contents = manifest.contents
    if level == "V0":
        read = stored.compare(archive, contents, run)
        return Outcome(
            detail=f"The stored bytes of {len(contents.objects)} objects ({read} bytes) are those published."
        )
    chosen = format_of(manifest.engine, contents.format)
    opened = unlocking.words(manifest.public_keys)
    if level == "V1":
        chosen.read_through(archive, contents, run)
        return Outcome(detail=f"All {len(contents.objects)} objects were read back, unpacked and parsed{opened}.")
    return _drill(run, backup, manifest, archive, chosen, where, statements)


def is_damage(error: OperationFailed) -> bool:
    """Whether an error says that the backup is not what it should be."""
    return error.code in DAMAGE


def _drill(
    run: Run,
    backup: Backup,
    manifest: Manifest,
    archive: Archive,
    chosen: Format,
    where: str,
    statements: Sequence[Mapping[str, str]],
) -> Outcome:
    contents = manifest.contents
    with place(run, manifest.engine, contents, where) as engine:
        if refused := chosen.refusals(engine, contents, method=SCRATCH, overwrite=True):
            raise Refused(*refused[0])
        try:
            began = time.monotonic()
            with _blaming(where):
                prepared = chosen.prepare(engine, archive, contents, run, method=SCRATCH)
            seconds = max(1, round(time.monotonic() - began))
            run.failpoint("verify.restored")
            run.log(f"The copy was built in {seconds} s. Comparing every row of it with the backup.")
            _require_equal(chosen.differences(engine, archive, contents, prepared, run))
            run.failpoint("verify.compared")
            beside = twins.beside(run, backup, engine, prepared)
            if statements:
                run.log(f"Asking {len(statements)} statements of the database's own.")
                asked = [given["statement"] for given in statements]
                smoke.judge(statements, chosen.ask(engine, prepared, asked, seconds=smoke.SECONDS))
        finally:
            chosen.clean_up(engine, run.operation_id, run.fence)
    return Outcome(detail=_words(manifest, statements, beside), where=where, restore_seconds=seconds)


def _words(manifest: Manifest, statements: Sequence[Mapping[str, str]], beside: str) -> str:
    asked = f", and {len(statements)} of its own statements held" if statements else ""
    contents, part = manifest.contents, manifest.contents.source.get(PART, "")
    also = f"equal the backup, which is of a part ({part})" if part else "definitions and foreign keys equal the backup"
    return (
        f"It was restored into a scratch database; {manifest.rows} rows in {len(contents.tables)} tables, "
        f"{len(contents.sequences)} sequences, {also}{beside}{asked}{unlocking.words(manifest.public_keys)}."
    )


@contextmanager
def place(run: Run, engine: str, contents: Contents, where: str) -> Iterator[Engine]:
    """The server, or the folder, in which a scratch copy is built. Raises Refused."""
    if where == SAME_SERVER:
        yield run.engine("shared")
        return
    if refused := grounds.refusals(engine, contents):
        raise Refused(*refused[0])
    with grounds.ground(engine, contents, run) as found:
        yield found


@contextmanager
def _blaming(where: str) -> Iterator[None]:
    """Tell a backup that does not restore from a place where it cannot be restored.

    On its own server a definition or a row that the server refuses is the backup's fault; on a server of ours it may
    be that one's.
    """
    try:
        yield
    except OperationFailed as error:
        if error.code not in ("tool_failed", "database"):
            raise
        if where == SAME_SERVER and not _OF_THE_PLACE.search(_QUOTED.sub("<>", error.why)):
            raise OperationFailed(
                "not_restorable", f"It could not be restored: {error.why}", "Take a fresh backup, and verify that."
            ) from error
        step = "Let the role create databases, and verify on the same server." if where == OWN else error.next_step
        raise OperationFailed(error.code, error.why, step) from error


def _require_equal(differences: Sequence[str]) -> None:
    if differences:
        more = len(differences) - MOST_NAMED
        named = "; ".join(differences[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
        raise OperationFailed(
            "copy_differs", f"The restored copy is not what was backed up: {named}.", "Use another backup."
        )
