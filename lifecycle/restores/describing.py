"""What the plan of a restore says for people: risks, targets, steps, what is proven of the backup, the way back."""

from __future__ import annotations

from django.conf import settings

from lifecycle.backups.manifest import Manifest
from lifecycle.models import Backup
from opsconsole.engines.base import Identity
from opsconsole.models import Database
from opsconsole.plans import Step, Target
from opsconsole.targets import plan_target

PATCH_LACKS = "Not in it: rows written after this step, rows that are set back, tables that the backup does not hold."


def risks(destination: Database, taken: str, lost: list[str], *, swaps: bool) -> tuple[str, ...]:
    """What to think of before agreeing to it."""
    reasons = [f"Every row written to {destination.name} after {taken} is replaced."]
    if lost:
        reasons.append(f"Tables that the backup does not hold disappear: {', '.join(lost)}.")
    if swaps:
        reasons.append("Connections to the database are closed at the moment of the swap.")
    return tuple(reasons)


def targets(destination: Database, identity: Identity, source: Database) -> tuple[Target, ...]:
    """What it touches: the destination, and whose backup it is where that is another one."""
    target = plan_target(destination, identity)
    if source.pk == destination.pk:
        return (target,)
    return (target, plan_target(source, None, role="shared"))


def steps(backup: Backup, manifest: Manifest, method: str, *, patch: bool) -> tuple[Step, ...]:
    """What is done in which order, by either method."""
    first = Step(
        title="Take a safety backup of what is there now", detail="Read through in full before anything else happens."
    )
    keeping = (Step(title="Keep the rows that only the live database has in a patch", detail=PATCH_LACKS),) * patch
    if method == "in_place":
        return (
            first,
            *keeping,
            Step(
                title="Replace the content in one transaction",
                artifact=manifest.digest,
                commit_point=True,
                detail="Applications wait for the tables meanwhile; the counts are compared before it commits.",
            ),
        )
    return (
        first,
        Step(title=f"Build a copy from backup {backup.id} beside the live database", artifact=manifest.digest),
        Step(title="Prove the copy", detail="Rows are counted and compared with the manifest; keys are checked."),
        *keeping,
        Step(
            title="Put the copy in the place of the live database",
            detail="One atomic act; until it, nothing that applications see has changed.",
            commit_point=True,
        ),
    )


def proven(backup: Backup) -> str:
    """What is known of it: read through at least, for no other backup is listed."""
    drilled = f"; a drill restored it on {backup.drilled_at:%Y-%m-%d}" if backup.drilled_at else ""
    return f"read through in full{drilled}"


def way_back() -> str:
    """How to go back afterwards."""
    hours = settings.OLD_DATABASE_HOURS
    return f"What is replaced is kept: for {hours} hours the restore can be undone; the safety backup stays longer."
