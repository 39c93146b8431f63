"""The machine verbs: claim an operation, supervise its runner, reap what was lost.

A pool child of Celery supervises; the runner is its subprocess. The supervisor keeps the lease alive while the runner's
pipe is open, writes progress, passes a cancel on, and stops everything when the lease cannot be confirmed.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import select
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from opsconsole import approvals, audit, failpoints, inheritance, kinds, process, recovery
from opsconsole.clock import now
from opsconsole.dispatch import publish
from opsconsole.exceptions import FenceLost
from opsconsole.fences import next_fence
from opsconsole.instance import instance_id
from opsconsole.models import Operation, OperationLine, OperationTarget
from opsconsole.plans import PLAN_FORMAT
from opsconsole.runner import CANCEL, workdir_of
from opsconsole.states import HELD_BY_WORKER, State
from opsconsole.transitions import Overtaken, move

log = logging.getLogger(__name__)
MOST_LINES = 5000  # of one run's live log; what follows is only counted


def host_name() -> str:
    """How this worker calls itself in rows and events."""
    return f"{socket.gethostname()}:{os.getpid()}"


def run_operation(operation_id: int) -> None:
    """Claim and carry out one operation; a message for one that is not there to be claimed does nothing."""
    with audit.acting_as(audit.Actor(kind="worker", name=host_name(), host=socket.gethostname())):
        claimed = claim(operation_id)
        if claimed is not None:
            failpoints.hit("claim.committed")
            Supervisor(claimed).run()
            _wake_next(claimed)


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


@dataclass
class Supervisor:
    """Watches one runner from claim to end."""

    operation: Operation
    _buffer: bytes = b""
    _progress: dict[str, Any] = field(default_factory=dict)
    _lines: list[str] = field(default_factory=list)
    _line_count: int = 0
    _moved_at: float = field(default_factory=time.monotonic)
    _confirmed_at: float = 0.0
    _stop_reason: str = ""

    def run(self) -> None:
        """Start the runner, keep the lease, and see that the operation has an end."""
        self._confirmed_at = _boottime()
        marker = f"{self.operation.id}.{self.operation.fence}"
        out_read, out_write = os.pipe()
        control_read, control_write = os.pipe()
        argv = [
            process.python(),
            "-m",
            "opsconsole.runner_process",
            str(self.operation.id),
            str(self.operation.fence),
            str(out_write),
            str(control_read),
        ]
        env = _environment_of_runner(self.operation) | {"OPSCONSOLE_OP": marker, "OPSCONSOLE_INSTANCE": instance_id()}
        child = process.spawn(argv, env=env, pass_fds=(out_write, control_read), cwd=settings.BASE_DIR)
        os.close(out_write)
        os.close(control_read)
        try:
            self._watch(out_read, control_write)
        except FenceLost:
            log.warning("operation %s: the lease is lost, stopping its runner", self.operation.id)
            self._stop_reason = "fence"
        finally:
            os.close(control_write)
            process.stop(child, grace=1.0 if self._stop_reason else process.GRACE_SECONDS)
            process.kill_marked(marker, instance=instance_id())
            shutil.rmtree(workdir_of(self.operation.id, self.operation.fence or 0), ignore_errors=True)
            os.close(out_read)
        if self._stop_reason != "fence":
            self._settle(child.returncode)

    def _watch(self, out_fd: int, control_fd: int) -> None:
        next_beat = time.monotonic() + settings.BEAT_SECONDS
        while True:
            readable, _, _ = select.select([out_fd], [], [], max(0.0, min(1.0, next_beat - time.monotonic())))
            if readable:
                data = os.read(out_fd, 65536)
                if not data:
                    return self._flush_lines()
                self._take(data)
            if time.monotonic() >= next_beat:
                next_beat = time.monotonic() + settings.BEAT_SECONDS
                self._beat(control_fd)
                if self._overdue():
                    return None

    def _take(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for raw in lines:
            message = json.loads(raw)
            if "line" in message:
                self._lines.append(message["line"])
            elif "reason" in message:
                self._stop_reason = message["reason"]
            elif message != {key: self._progress.get(key) for key in message}:
                same = message.get("step") == self._progress.get("step")
                self._progress = message | {"since": self._progress["since"] if same else timezone.now().isoformat()}
                self._moved_at = time.monotonic()

    def _beat(self, control_fd: int) -> None:
        """Confirm the lease; pass a cancel on. Raises FenceLost when another worker has taken over or time is up."""
        if os.environ.get("OPSCONSOLE_FAILPOINT") == "beat.skip:on" and settings.ALLOW_FAILPOINTS:
            return
        try:
            with transaction.atomic():
                held = Operation.objects.filter(
                    pk=self.operation.id, fence=self.operation.fence, state__in=HELD_BY_WORKER
                )
                at = now()
                extra: Mapping[str, Any] = {"progress": self._progress, "progress_at": at} if self._progress else {}
                if held.update(lease_until=at + timedelta(seconds=settings.LEASE_SECONDS), **extra) != 1:
                    if not self._ended():
                        raise FenceLost("fence_lost", "Another worker has taken over.")
                    return
                self._flush_lines()
            self._confirmed_at = _boottime()
            if held.filter(state=State.CANCELLING).exists():
                os.write(control_fd, CANCEL)
        except BrokenPipeError:
            return  # the runner has just ended; its pipe says so next
        except DatabaseError as error:
            connection.close()
            log.warning("operation %s: no heartbeat (%s)", self.operation.id, type(error).__name__)
            if _boottime() - self._confirmed_at > settings.SELF_FENCE_SECONDS:
                raise FenceLost("fence_lost", "The lease could not be confirmed in time.") from error

    def _flush_lines(self) -> None:
        room = max(0, MOST_LINES - self._line_count)
        fresh, self._lines = self._lines[:room], []
        self._line_count += len(fresh)
        at = now()
        OperationLine.objects.bulk_create(
            OperationLine(operation_id=self.operation.id, fence=self.operation.fence or 0, at=at, text=text)
            for text in fresh
        )

    def _overdue(self) -> bool:
        """Whether the run is past its deadline or has shown no progress for too long; it is then stopped."""
        kind = kinds.get(self.operation.kind)
        if self.operation.deadline_at is not None and now() > self.operation.deadline_at:
            self._stop_reason = f"It was not finished within {kind.deadline_seconds // 60} minutes and was stopped."
        elif time.monotonic() - self._moved_at > kind.stall_seconds:
            self._stop_reason = f"It showed no progress for {kind.stall_seconds // 60} minutes and was stopped."
        return bool(self._stop_reason)

    def _ended(self) -> bool:
        row = Operation.objects.filter(pk=self.operation.id).values("state", "fence").get()
        return row["state"] not in HELD_BY_WORKER and row["fence"] == self.operation.fence

    def _settle(self, status: int | None) -> None:
        """Read the witness when the runner ended without writing an end."""
        row = Operation.objects.get(pk=self.operation.id)
        if row.state not in HELD_BY_WORKER or row.fence != self.operation.fence:
            return
        how = f"was ended by signal {-status}" if status is not None and status < 0 else f"ended with status {status}"
        recovery.recover(row, reason=self._stop_reason or f"The runner {how}.")


def _environment_of_runner(operation: Operation) -> dict[str, str]:
    """What it must have, and the variables that hold the URLs of its own targets."""
    variables = operation.targets.exclude(database__url_env="").values_list("database__url_env", flat=True)
    return inheritance.environment_for("runner", variables=variables)


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
