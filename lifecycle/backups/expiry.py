"""What the tick does with what is kept for undoing: let it go in time, and list what nobody has listed."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db.models import Q

from lifecycle.formats import keeper_of
from lifecycle.models import KeptCopy
from lifecycle.restores import kept
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.databases import engine_for
from opsconsole.engines.base import TargetBusy
from opsconsole.exceptions import OpsError
from opsconsole.instance import instance_id
from opsconsole.models import Operation
from opsconsole.states import OPEN, State

log = logging.getLogger(__name__)
PAUSE = timedelta(minutes=5)  # after a failure: a server that does not answer must not hold up the other chores


def drop_expired() -> int:
    """Let go of what has been kept long enough; gives back how many. A problem is told in the row and tried again.

    An undo that was asked for in time keeps its copy until it has ended.
    """
    at = now()
    due = KeptCopy.objects.filter(state=KeptCopy.State.KEPT, expires_at__lte=at)
    due = due.filter(Q(tried_at=None) | Q(tried_at__lte=at - PAUSE)).select_related("database")
    return sum(_drop(row) for row in due.order_by("id")[:5])


def adopt() -> int:
    """List databases that a swap has kept and no run could list, for people settled how it ended; how many."""
    unlisted = Operation.objects.filter(
        kind__in=("restore", "undo"), state=State.SUCCEEDED, kept_copy=None, witness__has_key="old_database"
    )
    rows = list(unlisted.select_related("database").order_by("id")[:5])
    for row in rows:
        assert row.database is not None  # a restore and an undo have one
        undone = KeptCopy.objects.filter(operation_id=row.plan.parameters["operation"]) if row.kind == "undo" else None
        kept.keep(
            row.database,
            row.pk,
            facts=row.witness,
            safety=None,
            live=str(row.witness["staging_oid"]),
            undoes=undone.first() if undone is not None else None,
        )
    return len(rows)


def _drop(row: KeptCopy) -> bool:
    if _is_wanted(row):
        return False
    if row.way == KeptCopy.Way.DATABASE:
        try:
            engine = engine_for(row.database, session_label=f"opsconsole/{instance_id()}/kept/{row.id}")
            with engine.hold():
                if _is_wanted(row):
                    return False
                keeper_of(engine.name).drop(engine, row.name, row.incarnation)
        except TargetBusy:
            return False  # an operation works on the target, perhaps an undo with this very copy
        except OpsError as error:
            KeptCopy.objects.filter(pk=row.pk).update(problem=str(error), tried_at=now())
            return False
    return _ended(row)


def _is_wanted(row: KeptCopy) -> bool:
    """Whether an undo with this copy is open."""
    undos = Operation.objects.filter(kind="undo", state__in=OPEN, database__identity=row.database.identity)
    return any(str(undo.plan.parameters.get("operation")) == str(row.operation_id) for undo in undos)


def _ended(row: KeptCopy) -> bool:
    still_kept = KeptCopy.objects.filter(pk=row.pk, state=KeptCopy.State.KEPT)
    if not still_kept.update(state=KeptCopy.State.DROPPED, ended_at=now(), problem=""):
        return False
    audit.record(
        "kept.dropped",
        database=row.database,
        data={"name": row.name, "way": row.way, "operation": row.operation_id, "backup": row.backup_id or 0},
    )
    return True
