"""Telling workers that there is something to do. A message carries an operation's id and nothing else.

Messages are hints: a lost one is sent again by the ticker, a doubled, late or forged one finds nothing to claim.
"""

from __future__ import annotations

import logging

from django.db import transaction

from opsconsole.clock import now
from opsconsole.models import Operation
from opsconsole.states import State

RUN_OPERATION = "opsconsole.run_operation"
log = logging.getLogger(__name__)
_reached = True  # whether the last hint of this process reached a broker


def publish_on_commit(operation: Operation) -> None:
    """Send the hint once the transaction that queued the operation is durable."""
    transaction.on_commit(lambda: publish(operation.id))


def publish(operation_id: int) -> bool:
    """Send the hint for a queued operation; False when no broker could be reached (it is sent again)."""
    from opsconsole.celery import app  # loaded with the first hint: most runners send none

    global _reached
    queued = Operation.objects.filter(pk=operation_id, state=State.QUEUED)
    row = queued.values("queue").first()
    if row is None:
        return False
    _reached = not str(app.conf.broker_url).startswith("memory:")
    if not _reached:
        return False
    try:
        app.send_task(RUN_OPERATION, args=[operation_id], queue=row["queue"], retry=False, ignore_result=True)
    except Exception as error:  # any transport may be configured; each has its own errors
        _reached = False
        log.warning("no broker to tell about operation %s: %s", operation_id, type(error).__name__)
        return False
    queued.update(published_at=now())
    return True


def is_unreachable() -> bool:
    """Whether the last hint that this process sent found no broker."""
    return not _reached
