"""Replacing what a database holds by a backup, in one atomic act: what a restore does, and an undo by a safety backup.

Beside, prove, swap: a safety backup of what is there now is taken and read through, a copy is built and proven beside
the live database, and only then one act makes it live. Killed before that act, the old content stands; after it, the
new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle import patches
from lifecycle.backups import archives, sweeping, taking
from lifecycle.backups.taking import Spot
from lifecycle.formats import format_of, formats_for
from lifecycle.models import Backup
from lifecycle.patches import listing
from lifecycle.stores import copies
from opsconsole.exceptions import OperationFailed
from opsconsole.kinds import Recovery, Run, Witness
from opsconsole.models import Database


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """What was done. `facts` are those of the atomic act, `safety` is what was taken before."""

    facts: Mapping[str, Any]
    safety: Backup


def replace(run: Run, backup: Backup, method: str) -> Replaced:
    """Put a backup in the place of what is live. Raises what a run may raise; before the act, nothing is changed."""
    database, engine = run.database(), run.engine()
    found = archives.find(
        backup, store=str(run.plan.parameters.get("store", "")), part=f"{run.operation_id}.{run.fence}", whole=True
    )
    manifest, archive = archives.read_for(backup, found.manifest), found.archive
    if found.said:
        run.log(found.said)
    run.recheck()
    run.log("Taking a safety backup of what is there now.")
    safety = taking.take(run, safety_spot(database, run.operation_id, run.fence), formats_for(engine.name)[0])
    chosen = format_of(manifest.engine, manifest.contents.format)
    run.arm()
    run.log(f"Building and proving the copy from backup {backup.id}.")
    try:
        prepared = chosen.prepare(engine, archive, manifest.contents, run, method=method)
    except OperationFailed as error:
        if not copies.found_damaged(backup, found.store, error, run.operation_id):
            raise
        raise OperationFailed(error.code, error.why, copies.elsewhere(backup, found.store)) from error
    run.look_again()
    if run.plan.parameters.get("patch") == "yes":
        patches.take(run, archive, manifest, f"backup {backup.id}")
    facts = chosen.publish(engine, run.lock(), archive, manifest.contents, prepared, run)
    return Replaced(facts=facts, safety=safety)


def verdict(recovery: Recovery) -> Witness:
    """On which side of the atomic act a run was lost; read in the target."""
    if not recovery.witness:
        return Witness.NOT_DONE
    engine = recovery.engines["target"]
    landed = formats_for(engine.name)[0].landed(engine, recovery.witness)
    return {True: Witness.DONE, False: Witness.NOT_DONE, None: Witness.UNKNOWN}[landed]


def safety_of(recovery: Recovery) -> Backup | None:
    """The safety backup that a lost run had published, listed now if it was not."""
    spot = _spot(recovery)
    made = taking.published(spot)
    return taking.enlist(made, spot) if made else None


def sound_digest(backup_id: int) -> str:
    """What a plan that uses a backup binds to. Raises Refused when its last check failed."""
    backup = Backup.objects.get(pk=backup_id)
    taking.sound(backup)
    return archives.manifest_of(backup).digest


def clean_up(recovery: Recovery) -> None:
    """Remove what a run left behind, listed backups and patches excepted."""
    spot = _spot(recovery)
    sweeping.sweep(spot)
    listing.sweep(patches.Place(spot.database, recovery.operation_id, recovery.fence))
    for chosen in formats_for(spot.database.engine):
        chosen.clean_up(recovery.engines["target"], recovery.operation_id, recovery.fence)


def _spot(recovery: Recovery) -> Spot:
    database = Database.objects.get(pk=recovery.plan.target().database_id)
    return safety_spot(database, recovery.operation_id, recovery.fence)


def safety_spot(database: Database, operation_id: int, fence: int) -> Spot:
    """Where the safety backup of a run lies: in the first store of the database's environment."""
    store = taking.first_store(database)
    return Spot(database, operation_id, fence, Backup.Purpose.SAFETY, store)
