"""What operations replaced and is kept for a while: listing it, and finding what of it can be taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q, QuerySet

from lifecycle.models import Backup, KeptCopy
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.exceptions import OperationFailed, Refused, Usage
from opsconsole.models import Database, Operation
from opsconsole.row_numbers import row_number

State, Way = KeptCopy.State, KeptCopy.Way


@transaction.atomic
def keep(
    database: Database,
    operation_id: int,
    *,
    facts: Mapping[str, Any],
    safety: Backup | None,
    live: str,
    undoes: KeptCopy | None = None,
) -> KeptCopy:
    """List what an operation replaced; the same row when it is listed already.

    `facts` are those of the swap (or of the witness); without a kept database in them, the safety backup is what is
    kept. `live` is the incarnation that the operation made live; `undoes` is the copy that it brought back.
    """
    found = KeptCopy.objects.filter(operation_id=operation_id).first()
    if found is not None:
        return found
    at = now()
    made = operation_id if undoes is None else undoes.holds
    row = KeptCopy.objects.create(
        database=database,
        operation_id=operation_id,
        live_incarnation=live,
        holds=live_content(database),
        made=made,
        kept_at=at,
        expires_at=at + timedelta(hours=settings.OLD_DATABASE_HOURS),
        **_place(facts, safety),
    )
    if undoes is not None:
        KeptCopy.objects.filter(pk=undoes.pk).update(state=State.UNDONE, ended_at=at, undone_by_id=operation_id)
    audit.record(
        "kept.added",
        operation=Operation.objects.get(pk=operation_id),
        database=database,
        data={"way": row.way, "name": row.name, "backup": row.backup_id or 0, "bytes": row.size_bytes},
    )
    return row


def _place(facts: Mapping[str, Any], safety: Backup | None) -> dict[str, Any]:
    if facts.get("old_database"):
        return {
            "way": Way.DATABASE,
            "name": str(facts["old_database"]),
            "incarnation": str(facts["old_incarnation"]),
            "size_bytes": int(facts.get("old_bytes") or 0),
        }
    if safety is None:
        raise OperationFailed("nothing_kept", "What was replaced was kept nowhere: no database and no safety backup.")
    return {"way": Way.BACKUP, "backup": safety, "size_bytes": safety.stored_bytes}


def copies() -> QuerySet[KeptCopy]:
    """Everything that was ever kept, newest first."""
    return KeptCopy.objects.select_related("operation", "backup", "database", "undone_by")


def copies_of(database: Database) -> QuerySet[KeptCopy]:
    """Everything that was ever kept of a target, under any of its names, newest first."""
    return copies().filter(Q(database=database) | Q(database__identity=database.identity, database__identity__gt=""))


def newest(database: Database) -> KeptCopy | None:
    """What the last operation that replaced the content left."""
    return copies_of(database).first()


def live_content(database: Database) -> int:
    """Whose content is live as far as this console knows (see KeptCopy)."""
    last = newest(database)
    return last.made if last else 0


def live_contents(identities: Iterable[str]) -> dict[str, int]:
    """The same for many targets at once, by identity."""
    last = KeptCopy.objects.filter(database__identity__in=set(identities)).order_by()
    ids = last.values("database__identity").annotate(newest=Max("id")).values_list("newest", flat=True)
    return dict(KeptCopy.objects.filter(pk__in=list(ids)).values_list("database__identity", "made"))


def undoable(database: Database) -> list[KeptCopy]:
    """The copies that can be brought back now, newest first."""
    live, at = live_content(database), now()
    return list(copies_of(database).filter(state=State.KEPT, made=live, expires_at__gt=at))


def find(database: Database, wanted: str) -> KeptCopy:
    """The copy that undoing an operation (`latest`, or its number) brings back. Raises Usage, or Refused with why."""
    if wanted == "latest":
        row = next(iter(undoable(database)), None) or newest(database)
        if row is None:
            raise Refused(
                "nothing_to_undo",
                f"Nothing has replaced the content of {database.name} yet, so there is nothing to undo.",
                "To go back in time, restore one of its backups.",
            )
    else:
        row = copies_of(database).filter(operation_id=row_number(wanted)).first()
        if row is None:
            listed = ", ".join(str(each.operation_id) for each in undoable(database)) or "none"
            raise Usage(
                "unknown_operation",
                f"Operation {wanted} left nothing of {database.name} that could be brought back.",
                f"Operations that can be undone now: {listed}.",
            )
    if refused := why_not(row):
        raise refused
    return row


def why_not(row: KeptCopy) -> Refused | None:
    """Why a copy cannot be brought back now, as far as this console knows without asking the target."""
    number, live = row.operation_id, live_content(row.database)
    if row.state == State.UNDONE:
        again = _instead_of_undone(row, live)
        return Refused("undone_already", f"Operation {number} was undone by operation {row.undone_by_id}.", again)
    if row.state == State.DROPPED or row.expires_at <= now():
        until = f"{row.expires_at:%Y-%m-%d %H:%M} UTC"
        return Refused("window_over", f"Operation {number} could be undone until {until}.", _instead(row))
    if row.made != live:
        last = newest(row.database)
        since = last.operation_id if last else number
        why = f"Operation {since} has replaced the content of {row.database.name} since operation {number}."
        return Refused("replaced_since", why, f"Undo operation {since} first, or restore a backup.")
    return None


def _instead_of_undone(row: KeptCopy, live: int) -> str:
    """An undo may itself have been undone, and then its content is live again."""
    if row.made != live:
        return f"To take that back, undo operation {row.undone_by_id}."
    newer = next((copy for copy in undoable(row.database) if copy.pk > row.pk), None)
    back = "What it put there is live again."
    return f"{back} To undo it once more, undo operation {newer.operation_id}." if newer else back


def _instead(row: KeptCopy) -> str:
    backup = row.backup_id or row.operation.result.get("safety_backup")
    return (
        f"Restore backup {backup} instead: it holds what was there before." if backup else "Restore a backup instead."
    )
