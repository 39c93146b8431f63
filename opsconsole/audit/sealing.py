"""The sealer: chains what business transactions have left, without ever making one of them wait."""

from __future__ import annotations

from django.db import connection, transaction

from opsconsole import failpoints
from opsconsole.models import AuditPending, AuditSeal
from opsconsole.verify_audit import START, leaf_of, link

SEAL_LOCK = (0x6F707363, 1)  # PostgreSQL's advisory lock of the sealer
CHECKPOINT_LOCK = (0x6F707363, 2)


@transaction.atomic
def _seal(limit: int, wait: bool) -> int:
    if not take_turn(SEAL_LOCK, wait=wait):
        return 0
    waiting = AuditPending.objects.order_by("event_id").values_list("event_id", "event__payload")[:limit]
    seq, previous = AuditSeal.objects.order_by("-seq").values_list("seq", "hash").first() or (0, START)
    previous, seals = bytes(previous), []
    for event_id, payload in waiting:
        seq += 1
        following = link(previous, seq, leaf_of(bytes(payload)))
        seals.append(AuditSeal(seq=seq, event_id=event_id, previous=previous, hash=following))
        previous = following
    AuditSeal.objects.bulk_create(seals)
    failpoints.hit("seal.mid")
    AuditPending.objects.filter(event_id__in=[seal.event_id for seal in seals]).delete()
    return len(seals)


def seal(limit: int = 500, *, wait: bool = False) -> int:
    """Chain up to `limit` recorded events in the order of their ids; gives back how many.

    Only one sealer works at a time: another one gives 0 at once, or waits for its turn with `wait`. On SQLite the
    transaction is IMMEDIATE, so the database's single writer is the lock.
    """
    return _seal(limit, wait) if AuditPending.objects.exists() else 0


def seal_all() -> int:
    """Chain everything that was committed before the call; gives back how many."""
    total = 0
    while sealed := seal(wait=True):
        total += sealed
    return total


def take_turn(lock: tuple[int, int], *, wait: bool) -> bool:
    """Take an advisory lock until the end of the transaction; on SQLite the open transaction is that already."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        if wait:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", lock)
            return True
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", lock)
        return bool(cursor.fetchone()[0])
