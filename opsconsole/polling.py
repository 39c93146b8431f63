"""Working without a broker: the ticker starts what is due by itself, as many at once as a worker would."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Q

from opsconsole import dispatch, inheritance, process
from opsconsole.clock import now
from opsconsole.models import Operation
from opsconsole.states import State

log = logging.getLogger(__name__)


class Poller:
    """Lives in the ticker's main thread; its children die with it, and the reaper finds what they held."""

    def __init__(self) -> None:
        self._children: dict[int, process.Child] = {}

    def step(self) -> None:
        """Start due operations on this host's queues while the broker cannot be reached."""
        self._children = {key: child for key, child in self._children.items() if child.poll() is None}
        room = settings.WORKER_CONCURRENCY - len(self._children)
        if room <= 0 or not dispatch.is_unreachable():
            return
        for operation_id in self._found()[:room]:
            log.warning("no broker: operation %s is started by the ticker", operation_id)
            argv = [process.python(), "-m", "opsconsole.worker_process", str(operation_id)]
            self._children[operation_id] = process.spawn(
                argv, env=inheritance.environment_for("worker"), cwd=settings.BASE_DIR
            )

    def drain(self, *, seconds: float) -> None:
        """Let what was started here finish or stop in order, for so long."""
        deadline = time.monotonic() + seconds
        for child in self._children.values():
            child.terminate()
        for child in self._children.values():
            process.ended_within(child, max(0.0, deadline - time.monotonic()))

    def _found(self) -> list[int]:
        try:
            return self._due()
        except DatabaseError as error:
            log.warning("the console's database does not answer (%s)", type(error).__name__)
            return []

    def _due(self) -> list[int]:
        """Queued operations that no broker has taken a hint for lately, the oldest first."""
        at = now()
        taken = Q(published_at__gt=at - timedelta(seconds=settings.REPUBLISH_SECONDS))
        due = Operation.objects.filter(state=State.QUEUED, run_after__lte=at, queue__in=settings.WORKER_QUEUES)
        ids = due.exclude(taken).order_by("id").values_list("id", flat=True)
        return [key for key in ids[:20] if key not in self._children]
