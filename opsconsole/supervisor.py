"""The supervisor of one run: it keeps the lease while the runner's pipe is open, and sees that the run has an end.

A pool child of Celery supervises; the runner is its subprocess. When the lease cannot be confirmed in time the runner
is ended, by a watchdog of its own: the console's database may be what hangs, and us with it.
"""

from __future__ import annotations

import json
import logging
import os
import select
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from opsconsole import draining, failpoints, inheritance, kinds, process, recovery
from opsconsole.channel import CANCEL, DRAIN, LiveLog
from opsconsole.clock import now
from opsconsole.exceptions import FenceLost, OperationFailed, OpsError
from opsconsole.instance import instance_id
from opsconsole.models import Operation, OperationLine, Store
from opsconsole.runner import workdir_of
from opsconsole.states import HELD_BY_WORKER, State

log = logging.getLogger(__name__)
CANCEL_SECONDS = 15.0  # a runner that was told to cancel and has not reached its commit point is ended after so long
LOOK_SECONDS = 0.2  # how often the watchdog looks


@dataclass
class Supervisor:
    """Watches one runner from claim to end."""

    operation: Operation
    _buffer: bytes = b""
    _progress: dict[str, Any] = field(default_factory=dict)
    _log: LiveLog = field(default_factory=LiveLog)
    _began_at: float = field(default_factory=time.monotonic)
    _moved_at: float = field(default_factory=time.monotonic)
    _confirmed_at: float = 0.0  # CLOCK_BOOTTIME, which goes on while the machine sleeps
    _cancel_told_at: float = 0.0
    _stop_reason: str = ""
    _failure: OpsError | None = None  # the cause, where it is known
    _lease_lost: bool = False
    _told_to_drain: bool = False

    def run(self) -> None:
        """Start the runner, keep the lease, and see that the operation has an end."""
        self._confirmed_at = _boottime()
        out_read, out_write = os.pipe()
        control_read, control_write = os.pipe()
        child = self._start(out_write, control_read)
        os.close(out_write)
        os.close(control_read)
        over = threading.Event()
        watchdog = threading.Thread(target=self._guard, args=(child, over), name="watchdog", daemon=True)
        watchdog.start()
        try:
            self._watch(out_read, control_write)
        except FenceLost as lost:
            log.warning("operation %s: %s Its runner is stopped.", self.operation.id, lost.why)
            self._lease_lost = True
        finally:
            over.set()
            os.close(control_write)
            process.stop(child, grace=1.0 if self._lease_lost or self._stop_reason else process.GRACE_SECONDS)
            process.kill_marked(self._marker, instance=instance_id())
            watchdog.join()
            shutil.rmtree(workdir_of(self.operation.id, self.operation.fence or 0), ignore_errors=True)
            os.close(out_read)
        self._settle(child.returncode)

    @property
    def _marker(self) -> str:
        return f"{self.operation.id}.{self.operation.fence}"

    def _start(self, out_fd: int, control_fd: int) -> process.Child:
        words = (self.operation.id, self.operation.fence, out_fd, control_fd)
        argv = [process.python(), "-m", "opsconsole.runner_process", *map(str, words)]
        marks = {"OPSCONSOLE_OP": self._marker, "OPSCONSOLE_INSTANCE": instance_id()}
        env = _environment_of_runner(self.operation) | marks
        return process.spawn(argv, env=env, pass_fds=(out_fd, control_fd), cwd=settings.BASE_DIR)

    def _guard(self, child: process.Child, over: threading.Event) -> None:
        """The watchdog: end the runner once the lease has not been confirmed for too long."""
        while not over.wait(LOOK_SECONDS):
            if _boottime() - self._confirmed_at <= settings.SELF_FENCE_SECONDS:
                continue
            log.warning("operation %s: the lease was not confirmed in time, ending its runner", self.operation.id)
            self._lease_lost = True
            process.stop(child, grace=1.0)
            process.kill_marked(self._marker, instance=instance_id())
            return

    def _watch(self, out_fd: int, control_fd: int) -> None:
        next_beat = time.monotonic() + settings.BEAT_SECONDS
        while True:
            readable, _, _ = select.select([out_fd], [], [], max(0.0, min(1.0, next_beat - time.monotonic())))
            if readable:
                data = os.read(out_fd, 65536)
                if not data:
                    return self._keep_last_lines()
                self._take(data)
            if draining.has_begun() and not self._told_to_drain:
                self._told_to_drain = True
                _tell(control_fd, DRAIN)
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
                self._log.keep(message["line"])
            elif "reason" in message:
                self._stop_reason = message["reason"]
                if "code" in message:
                    self._failure = OperationFailed(message["code"], message["why"], message["next"])
            elif message != {key: self._progress.get(key) for key in message}:
                same = message.get("step") == self._progress.get("step")
                self._progress = message | {"since": self._progress["since"] if same else timezone.now().isoformat()}
                self._moved_at = time.monotonic()

    def _beat(self, control_fd: int) -> None:
        """Confirm the lease; pass a cancel on. Raises FenceLost when another worker has taken over or time is up."""
        if failpoints.is_on("beat.skip"):
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
                    self._confirmed_at = _boottime()
                    return
                self._flush_lines()
            self._confirmed_at = _boottime()
            cancelling = held.filter(state=State.CANCELLING).values("witness").first()
            if cancelling is not None:
                _tell(control_fd, CANCEL)
                self._see_that_it_stops(announced=bool(cancelling["witness"]))
        except DatabaseError as error:
            connection.close()
            log.warning("operation %s: no heartbeat (%s)", self.operation.id, type(error).__name__)
            if _boottime() - self._confirmed_at > settings.SELF_FENCE_SECONDS:
                raise FenceLost("fence_lost", "The lease could not be confirmed in time.") from error

    def _see_that_it_stops(self, *, announced: bool) -> None:
        """End a runner that does not heed a cancel (its program hangs), unless it may be at its commit point."""
        self._cancel_told_at = self._cancel_told_at or time.monotonic()
        if not announced and time.monotonic() - self._cancel_told_at > CANCEL_SECONDS:
            self._stop_reason = "It did not stop by itself when it was cancelled, and was ended."

    def _flush_lines(self) -> None:
        at = now()
        OperationLine.objects.bulk_create(
            OperationLine(operation_id=self.operation.id, fence=self.operation.fence or 0, at=at, text=text)
            for text in self._log.take()
        )

    def _keep_last_lines(self) -> None:
        """What the runner said before its end, unless another worker has taken over meanwhile."""
        own = Operation.objects.select_for_update(of=("self",)).filter(pk=self.operation.id, fence=self.operation.fence)
        try:
            with transaction.atomic():
                if own.first() is not None:
                    self._flush_lines()
        except DatabaseError as error:
            connection.close()
            log.warning("operation %s: its last lines are lost (%s)", self.operation.id, type(error).__name__)

    def _overdue(self) -> bool:
        """Whether the run is past its deadline or has shown no progress for too long; it is then stopped."""
        kind = kinds.get(self.operation.kind)
        if time.monotonic() - self._began_at > kind.deadline_seconds:
            self._give_up("timeout", f"It was not finished within {kind.deadline_seconds // 60} minutes")
        elif time.monotonic() - self._moved_at > kind.stall_seconds:
            self._give_up("stalled", f"It showed no progress for {kind.stall_seconds // 60} minutes")
        return bool(self._stop_reason)

    def _give_up(self, code: str, why: str) -> None:
        self._stop_reason = f"{why} and was stopped."
        step = "See in its log where it stood; look for locks, a slow disk or network there, then ask for it again."
        self._failure = OperationFailed(code, self._stop_reason, step)

    def _ended(self) -> bool:
        row = Operation.objects.filter(pk=self.operation.id).values("state", "fence").get()
        return row["state"] not in HELD_BY_WORKER and row["fence"] == self.operation.fence

    def _settle(self, status: int | None) -> None:
        """See to the end that the runner did not write, for as long as the row can still be ours; then the reaper does.

        Nothing is written unless the row carries our fence, and the runner is gone by now.
        """
        while True:
            try:
                return self._read_witness(status)
            except (OperationalError, InterfaceError) as error:
                connection.close()
                if _boottime() - self._confirmed_at > settings.SELF_FENCE_SECONDS:
                    log.warning("operation %s is left to the reaper (%s)", self.operation.id, type(error).__name__)
                    return None
                time.sleep(min(1.0, settings.BEAT_SECONDS))

    def _read_witness(self, status: int | None) -> None:
        row = Operation.objects.get(pk=self.operation.id)
        if row.state not in HELD_BY_WORKER or row.fence != self.operation.fence:
            return
        how = f"was ended by signal {-status}" if status is not None and status < 0 else f"ended with status {status}"
        if self._lease_lost:
            how = f"was stopped, for its lease could not be confirmed for {settings.SELF_FENCE_SECONDS:g} seconds"
        try:
            recovery.recover(row, reason=self._stop_reason or f"The runner {how}.", failure=self._failure)
        except FenceLost:
            log.info("operation %s was taken over by another", row.id)


def _tell(control_fd: int, word: bytes) -> None:
    try:
        os.write(control_fd, word)
    except BrokenPipeError:
        return  # the runner has just ended; its pipe says so next


def _environment_of_runner(operation: Operation) -> dict[str, str]:
    """What it must have, and the variables that hold the URLs of its own targets, and credentials of stores."""
    targets = operation.targets.exclude(database__url_env="").values_list("database__url_env", flat=True)
    keys = Store.objects.filter(retired_at=None).values_list("access_key_env", "secret_key_env")
    return inheritance.environment_for(
        "runner", variables=[*targets, *(name for pair in keys for name in pair if name)]
    )


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
