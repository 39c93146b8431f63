"""Replacing what a database holds by a backup, in one atomic act: what a restore does, and an undo by a safety backup.

Beside, prove, swap: a safety backup of what is there now is taken and read through, a copy is built and proven beside
the live database, and only then one act makes it live. Killed before that act, the old content stands; after it, the
new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle import archives, taking
from lifecycle.formats import format_of, formats_for
from lifecycle.formats.base import Archive
from lifecycle.manifest import Manifest
from lifecycle.models import Backup
from lifecycle.taking import Spot
from opsconsole.kinds import Recovery, Run, Witness
from opsconsole.models import Database


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """What was done. `facts` are those of the atomic act (or the witness), `safety` what was taken before."""

    manifest: Manifest
    facts: Mapping[str, Any]
    safety: Backup | None


def replace(run: Run, backup: Backup, method: str) -> Replaced:
    """Put a backup in the place of what is live. Raises what a run may raise; before the act, nothing is changed."""
    database, engine, manifest = run.database(), run.engine(), archives.manifest_of(backup)
    run.recheck()
    run.log("Taking a safety backup of what is there now.")
    safety = taking.take(
        run, Spot(database, run.operation_id, run.fence, Backup.Purpose.SAFETY), formats_for(engine.name)[0]
    )
    chosen = format_of(manifest.engine, manifest.contents.format)
    archive = Archive(store=archives.store(), folder=manifest.backup, part=f"{run.operation_id}.{run.fence}")
    run.arm()
    run.log(f"Building and proving the copy from backup {backup.id}.")
    prepared = chosen.prepare(engine, archive, manifest.contents, run, method=method)
    facts = chosen.publish(engine, run.lock(), archive, manifest.contents, prepared, run)
    return Replaced(manifest=manifest, facts=facts, safety=safety)


def witnessed(recovery: Recovery, backup: Backup) -> tuple[Witness, Replaced | None]:
    """On which side of the act a run was lost, and with DONE what it had done."""
    if not recovery.witness:
        return Witness.NOT_DONE, None
    manifest, engine = archives.manifest_of(backup), recovery.engines["target"]
    landed = format_of(engine.name, manifest.contents.format).landed(engine, recovery.witness)
    if landed is None:
        return Witness.UNKNOWN, None
    if not landed:
        return Witness.NOT_DONE, None
    spot = _spot(recovery)
    made = taking.published(spot)
    safety = taking.enlist(made, spot) if made else None
    return Witness.DONE, Replaced(manifest=manifest, facts=recovery.witness, safety=safety)


def clean_up(recovery: Recovery) -> None:
    """Remove what a run left behind, listed backups excepted."""
    spot = _spot(recovery)
    taking.sweep(spot)
    for chosen in formats_for(spot.database.engine):
        chosen.clean_up(recovery.engines["target"], recovery.operation_id, recovery.fence)


def _spot(recovery: Recovery) -> Spot:
    database = Database.objects.get(pk=recovery.plan.target().database_id)
    return Spot(database, recovery.operation_id, recovery.fence, Backup.Purpose.SAFETY)
