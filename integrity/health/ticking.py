"""Looking at every database again and again, beside the ticker and never in its way.

Any number of tickers may do this at once: a conditional update decides which one looks. Each look has a thread of its
own, a few at a time, and one that hangs (a disk, a name service) holds up no other database.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Q

from integrity.health import keeping
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.models import Database

log = logging.getLogger(__name__)
AT_ONCE = 4
GIVEN_UP_SECONDS = 120.0  # a look that takes longer does not count among them any more
_mutex = threading.Lock()
_looking: dict[int, float] = {}  # since when, by database


def begin() -> int:
    """Begin to look at what is due, as far as there is room; gives back how many looks began."""
    if not settings.HEALTH_SECONDS:
        return 0
    return sum(_start(database) for database in due()[: _room()])


def due() -> list[Database]:
    """What this host serves and nobody looked at for the length of the interval, the longest first."""
    before = now() - timedelta(seconds=settings.HEALTH_SECONDS)
    with _mutex:
        looking = list(_looking)
    rows = Database.objects.filter(removed_at=None, queue__in=settings.WORKER_QUEUES).exclude(pk__in=looking)
    rows = rows.filter(Q(health=None) | Q(health__claimed_at=None) | Q(health__claimed_at__lte=before))
    busy = keeping.changing().values("database")
    return list(rows.exclude(pk__in=busy).select_related("environment").order_by("health__claimed_at", "pk"))


def _room() -> int:
    since = time.monotonic() - GIVEN_UP_SECONDS
    with _mutex:
        return max(0, AT_ONCE - sum(began > since for began in _looking.values()))


def _start(database: Database) -> bool:
    before = now() - timedelta(seconds=settings.HEALTH_SECONDS)
    if not keeping.claim(database, unless_since=before):
        return False
    with _mutex:
        _looking[database.pk] = time.monotonic()
    threading.Thread(target=_work, args=(database,), name=f"health of {database.name}", daemon=True).start()
    return True


def _work(database: Database) -> None:
    try:
        with audit.acting_as(audit.Actor(kind="system", name="health")):
            keeping.take(database)
    except Exception:
        log.exception("the health of %s could not be kept; the next look tries again", database.name)
    finally:
        connection.close()
        with _mutex:
            _looking.pop(database.pk, None)
