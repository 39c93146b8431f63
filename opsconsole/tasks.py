"""Celery's tasks: thin wrappers around the worker's verbs, and the tick."""

from __future__ import annotations

import logging
import socket
from datetime import timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from opsconsole import __version__, audit, chores, recovery, worker
from opsconsole.celery import app
from opsconsole.chores import Chore, spaced
from opsconsole.clock import now
from opsconsole.dispatch import RUN_OPERATION, is_unreachable, publish
from opsconsole.models import Operation, WorkerHost
from opsconsole.scheduling import due
from opsconsole.states import State
from opsconsole.transitions import Overtaken, move

log = logging.getLogger(__name__)


@app.task(name=RUN_OPERATION)
def run_operation(operation_id: int) -> None:
    worker.run_operation(int(operation_id))


@app.task(name="opsconsole.tick")
def tick() -> None:
    tick_once()


def tick_once() -> None:
    """One round of everything that must happen without anybody asking. A failing chore does not stop the others."""
    close_old_connections()
    actor = audit.Actor(kind="system", name="ticker")
    for name, chore in {**_OWN_CHORES, **chores.ADDED}.items():
        try:
            with audit.acting_as(actor):
                chore()
        except (OperationalError, InterfaceError) as error:
            log.warning("the chore %s waits for the console's own database (%s)", name, error)
            close_old_connections()
        except Exception:
            log.exception("the chore %s failed; the next tick tries again", name)
            close_old_connections()


def expire() -> None:
    """End requests that nobody decided in time, and approved ones that could not start in time."""
    late = Operation.objects.filter(state__in=[State.PENDING_APPROVAL, State.QUEUED], expires_at__lte=now())
    for row in late.order_by("id")[:100]:
        try:
            move(
                row,
                State.EXPIRED,
                frm=[State.PENDING_APPROVAL, State.QUEUED],
                reason="Its time was over before it could run.",
            )
        except Overtaken:
            continue


def republish() -> None:
    """Send hints again for operations that have been queued for a while: the row is the outbox."""
    at = now()
    old = at - timedelta(seconds=settings.REPUBLISH_SECONDS)
    due = Operation.objects.filter(state=State.QUEUED, run_after__lte=at)
    for operation_id in due.exclude(published_at__gt=old).order_by("id").values_list("id", flat=True)[:100]:
        if not publish(operation_id) and is_unreachable():
            return  # each further attempt would wait for the broker as long as this one did


def be_seen() -> None:
    """Note that this host has a living ticker, and which queues its worker serves; at most every few seconds."""
    at = now()
    name = socket.gethostname()
    fresh = WorkerHost.objects.filter(name=name, seen_at__gt=at - timedelta(seconds=settings.BEAT_SECONDS))
    if not fresh.exists():
        ahead = round((timezone.now() - at).total_seconds(), 1)
        facts = {"queues": settings.WORKER_QUEUES, "version": __version__, "seen_at": at, "clock_seconds": ahead}
        WorkerHost.objects.update_or_create(name=name, defaults=facts, create_defaults={**facts, "started_at": at})


_OWN_CHORES: dict[str, Chore] = {
    "be seen": be_seen,
    "expire": expire,
    "schedules": spaced(due.start_in_background, 5.0),
    "republish": republish,
    "reap": lambda: recovery.reap(settings.WORKER_QUEUES),
    "sweep": recovery.sweep,
    "seal": lambda: audit.seal(),
    "checkpoint": lambda: audit.checkpoint(),
}
