"""Two backups of one moment, one native and one portable, which prove each other.

Both are written and read back before either is published. The portable one's manifest comes first and counts for
nothing until the native one's is there: that is the commit point of both, and they are listed together.
"""

from __future__ import annotations

from dataclasses import replace

from lifecycle.backups import archives, taking
from lifecycle.backups.taking import Spot
from lifecycle.formats import format_of
from lifecycle.formats.base import TWIN, Contents, Format, Prepared, Scope
from lifecycle.models import Backup
from opsconsole.clock import now
from opsconsole.engines.base import Engine
from opsconsole.exceptions import OperationFailed
from opsconsole.kinds import Run


def take(run: Run, spot: Spot, formats: tuple[Format, Format], scope: Scope) -> Backup:
    """Take both and list them; the first one's row, whose `twin` is the other. Raises as `taking.take` does."""
    engine, spots = run.engine(), (spot, replace(spot, twin=True))
    for chosen in formats:
        taking.room_for(engine, chosen, spot.store)
    started = now()
    with formats[0].moment(engine, run) as moment:
        written = [
            _named(chosen.write_from(moment, engine, own.sealed, run, scope), other)
            for chosen, own, other in zip(formats, spots, reversed(spots), strict=True)
        ]
    made = [taking.prove(run, own, engine, started, each) for own, each in zip(spots, written, strict=True)]
    taking.publish(run, spots[1], made[1])
    taking.publish(run, spots[0], made[0])
    return taking.enlist(made[0], spots[0])


def beside(run: Run, backup: Backup, engine: Engine, prepared: Prepared) -> str:
    """Compare the rows of a backup's twin with the copy that was prepared from it; what was found, in words.

    Raises OperationFailed: twins_differ, or twin_damaged when it cannot be read, which says nothing of the backup.
    """
    twin = backup.twin
    if twin is None or twin.state != Backup.State.GOOD or not twin.is_present:
        return ""
    run.log(f"Comparing every row with backup {twin.pk}, its twin.")
    try:
        manifest = archives.manifest_of(twin)
        archive = archives.archive_of(twin, part=f"{run.operation_id}.{run.fence}")
        chosen = format_of(manifest.engine, manifest.contents.format)
        found = chosen.rows_beside(engine, archive, manifest.contents, prepared, run)
    except OperationFailed as error:
        if error.code not in _OF_THE_TWIN:
            raise
        raise OperationFailed(
            "twin_damaged", f"Its twin, backup {twin.pk}, cannot be compared: {error.why}", f"Verify backup {twin.pk}."
        ) from error
    if found:
        raise OperationFailed(
            "twins_differ",
            f"Its twin, backup {twin.pk}, is of the same moment and holds other rows: {'; '.join(found[:3])}.",
            "Trust neither of them: take fresh ones, and verify these.",
        )
    return f", and so do those of its twin, backup {twin.pk}"


_OF_THE_TWIN = frozenset({"backup_damaged", "backup_missing", "manifest_damaged", "manifest_signature", "key_missing"})


def _named(contents: Contents, other: Spot) -> Contents:
    return replace(contents, source={**contents.source, TWIN: other.folder})
