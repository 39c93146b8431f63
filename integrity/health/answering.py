"""The health of a database as programs are told it: the newest look, or a fresh one, and how old it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings

from integrity.health import keeping
from integrity.models import HealthWatch
from opsconsole.clock import now
from opsconsole.exceptions import Refused
from opsconsole.models import Database

FRESH_SECONDS = 10  # a database is not asked more often than this, whoever wants it fresh
UNKNOWN = "unknown"


def answer(database: Database, *, fresh: bool = False) -> dict[str, Any]:
    """`{"status": "healthy", "checks": {"nullEmailUsers": 0}, ...}`, as Ignition documents it, and what more is known.

    `status` is healthy, unhealthy, or unknown where the newest look is missing or too old to say anything. With
    `fresh` it is asked now, unless it was within FRESH_SECONDS. Raises Refused where this host may not ask it.
    """
    if fresh:
        refresh(database)
    at = now()
    row = keeping.standing(database)
    told: Mapping[str, Any] = row.told if row else {}
    facts = {
        "status": told.get("status", UNKNOWN),
        "checks": told.get("checks", {}),
        "database": database.name,
        "sampled_at": row.sampled_at.isoformat() if row and row.sampled_at else None,
        "since": row.since.isoformat() if row and row.since else None,
        "figures": told.get("figures", {}),
        "details": told.get("details", {"summary": {"healthy": False, "issues": []}}),
        "problem": told.get("problem"),
    }
    if row is None or keeping.is_stale(row, at):
        facts["status"], facts["problem"] = UNKNOWN, {"code": "stale", **_stale(database, row)}
    return facts


def refresh(database: Database) -> HealthWatch | None:
    """Look now, unless somebody has just begun to. Raises Refused when this host does not serve it, or when an
    operation is changing it.
    """
    if database.queue not in settings.WORKER_QUEUES:
        raise Refused(
            "not_served_here",
            f"{database.name} is served by workers on the queue {database.queue}, and this host is none of them.",
            "Ask without a fresh look: the newest one is told, with its time.",
        )
    if keeping.changing().filter(database=database).exists():
        raise Refused(
            "being_changed",
            f"An operation is changing {database.name}, and nobody looks meanwhile.",
            "Ask again when it is over, or without a fresh look.",
        )
    if keeping.claim(database, unless_since=now() - timedelta(seconds=FRESH_SECONDS)):
        return keeping.take(database)
    return keeping.standing(database)


def _stale(database: Database, row: HealthWatch | None) -> dict[str, str]:
    if keeping.changing().filter(database=database).exists():
        return {
            "why": f"An operation is changing {database.name}, and nobody looks meanwhile.",
            "next": "Ask again when it is over.",
        }
    if not settings.HEALTH_SECONDS:
        why = "This console does not look by itself (HEALTH_SECONDS is 0)."
    elif row is None:
        why = f"Nobody has looked at {database.name} yet."
    else:
        why = f"Nobody has looked at {database.name} for too long."
    return {"why": why, "next": "Ask with fresh=1, and see that a worker with a ticker serves its queue."}
