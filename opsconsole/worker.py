"""What a worker does with a message: claim the operation, if it is there to be claimed, and supervise its run."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection, transaction

from opsconsole import approvals, audit, draining, failpoints, installation, kinds
from opsconsole.clock import now
from opsconsole.dispatch import publish
from opsconsole.exceptions import Refused
from opsconsole.failures import foreseen
from opsconsole.fences import next_fence
from opsconsole.models import Operation, OperationTarget
from opsconsole.plans import PLAN_FORMAT
from opsconsole.runner import workdir_of
from opsconsole.states import State
from opsconsole.supervisor import Supervisor
from opsconsole.transitions import Overtaken, move

log = logging.getLogger(__name__)


def host_name() -> str:
    """How this worker calls itself in rows and events."""
    return f"{socket.gethostname()}:{os.getpid()}"


def run_operation(operation_id: int) -> None:
    """Claim and carry out one operation; a message for one that is not there to be claimed does nothing."""
    with audit.acting_as(audit.Actor(kind="worker", name=host_name(), host=socket.gethostname())):
        if draining.has_begun() or not _is_able(operation_id):
            _leave(operation_id)
        elif (claimed := claim(operation_id)) is not None:
            failpoints.hit("claim.committed")
            Supervisor(claimed).run()
            if draining.has_begun():
                publish(operation_id)  # a backup that was stopped waits again: another worker may take it at once
            _wake_next(claimed)


def _is_able(operation_id: int) -> bool:
    """Whether this worker has its console's keys and may use its store; if not, the row says what is missing."""
    try:
        installation.require_own()
        workdir_of(operation_id, 0).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (Refused, OSError) as error:
        found = foreseen(error)
        why = found.why if found else str(error)
        log.error("operation %s is left to another worker: %s", operation_id, found or why)
        Operation.objects.filter(pk=operation_id, state=State.QUEUED).update(
            waiting_for=f"a worker that can start it: {why}"[:300]
        )
        return False
    return True


def _leave(operation_id: int) -> None:
    """A worker that cannot start anything now: let the next tick, of any worker's ticker, send the hint again."""
    Operation.objects.filter(pk=operation_id, state=State.QUEUED).update(published_at=None)


def claim(operation_id: int) -> Operation | None:
    """Take a queued operation under a new fence and lease, or say in the row why not."""
    try:
        with transaction.atomic():
            row = Operation.objects.select_for_update(of=("self",)).filter(pk=operation_id, state=State.QUEUED).first()
            if row is None or not _is_due(row):
                return None
            at, fence = now(), next_fence()
            deadline = at + timedelta(seconds=kinds.get(row.kind).deadline_seconds)
            return move(
                row,
                State.RUNNING,
                frm=[State.QUEUED],
                fence=fence,
                runner_fence=fence,
                lost_at=None,
                committed_at=None,
                worker=host_name(),
                claim_nonce=secrets.token_hex(16),
                lease_until=at + timedelta(seconds=settings.LEASE_SECONDS),
                started_at=at,
                deadline_at=deadline,
                attempts=row.attempts + 1,
                waiting_for="",
                progress={},
                witness={},
                published_at=at,
            )
    except Overtaken:
        return None
    except (OperationalError, InterfaceError) as error:
        connection.close()
        log.warning("operation %s is not claimed: the console's own database takes no writes (%s)", operation_id, error)
        return None
    except DatabaseError as error:
        _not_claimed(operation_id, error)
        return None


def _wake_next(row: Operation) -> None:
    """Send the hint for the oldest operation that waits for a target that is free again."""
    identities = row.targets.values("identity")
    waiting = Operation.objects.filter(state=State.QUEUED, targets__identity__in=identities).exclude(pk=row.pk)
    for operation_id in waiting.order_by("id").values_list("id", flat=True)[:1]:
        publish(operation_id)


def _is_due(row: Operation) -> bool:
    if row.plan_format > PLAN_FORMAT:
        return False  # a newer console sealed it; a newer worker will run it
    if row.expires_at is not None and row.expires_at <= now():
        move(row, State.EXPIRED, frm=[State.QUEUED], reason="Its approval ran out before a worker could start it.")
        return False
    if not approvals.requirement_of(row, at=now()).is_open(now()):
        Operation.objects.filter(pk=row.pk).update(waiting_for="the window in which the policy lets it run")
        return False
    return row.run_after is None or row.run_after <= now()


def _not_claimed(operation_id: int, error: DatabaseError) -> None:
    """The database refused the claim: another operation holds a target, or the votes are not there."""
    identities = OperationTarget.objects.filter(operation_id=operation_id).values("identity")
    holder = (
        OperationTarget.objects.filter(identity__in=identities, active=True)
        .exclude(role="shared")
        .exclude(operation_id=operation_id)
        .first()
    )
    if holder is not None:
        Operation.objects.filter(pk=operation_id, state=State.QUEUED).update(
            waiting_for=f"operation {holder.operation_id} works on the same target"
        )
        return
    if not isinstance(error, IntegrityError) and "opsconsole:" not in str(error):
        raise error
    row = Operation.objects.get(pk=operation_id)
    log.error("claim of operation %s refused by the database: %s", operation_id, error)
    move(
        row,
        State.STALE,
        frm=[State.QUEUED],
        reason="The database refused to start it: the votes that it needs are not there.",
    )
