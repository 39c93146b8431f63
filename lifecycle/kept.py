"""Databases that a swap replaced: dropped by the tick when their time is over."""

from __future__ import annotations

import logging

from lifecycle.formats import formats_for
from lifecycle.models import KeptDatabase
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.databases import engine_for
from opsconsole.engines.base import TargetBusy
from opsconsole.exceptions import OpsError
from opsconsole.instance import instance_id

log = logging.getLogger(__name__)


def drop_expired() -> int:
    """Drop what has been kept long enough; gives back how many. A problem is noted in the row and tried again."""
    due = KeptDatabase.objects.filter(dropped_at=None, expires_at__lte=now()).select_related("database")
    dropped = 0
    for row in due.order_by("id")[:5]:
        try:
            engine = engine_for(row.database, session_label=f"opsconsole/{instance_id()}/kept/{row.id}")
            with engine.hold():
                formats_for(row.database.engine)[0].drop_kept(engine, row.name, row.incarnation)
        except TargetBusy:
            continue  # an operation works on the target; the next tick tries again
        except OpsError as error:
            KeptDatabase.objects.filter(pk=row.pk).update(problem=str(error))
            continue
        if KeptDatabase.objects.filter(pk=row.pk, dropped_at=None).update(dropped_at=now(), problem=""):
            audit.record("kept.dropped", database=row.database, data={"name": row.name})
            dropped += 1
    return dropped
