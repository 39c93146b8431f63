"""The runner: one process that carries out one operation under its fence, and dies with its supervisor.

It takes the locks inside the targets, arms, does what the sealed plan says, and writes the end of the operation. What
it cannot know (it failed after the commit point was announced) it leaves to recovery, which reads the witness.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError

from opsconsole import arming, audit, databases, failpoints, kinds, process
from opsconsole.channel import DRAIN, Channel
from opsconsole.ciphers import field_cipher
from opsconsole.clock import now
from opsconsole.engines.base import Engine, TargetBusy, TargetLock
from opsconsole.exceptions import Cancelled, FenceLost, Refused, Stale, StoppedPartway
from opsconsole.failures import foreseen
from opsconsole.instance import instance_id, session_label
from opsconsole.models import Database, Operation, OperationSecret
from opsconsole.plans import Plan
from opsconsole.states import HELD_BY_WORKER, State
from opsconsole.transitions import move

log = logging.getLogger(__name__)
DRAINED = "worker_drained"  # code of what a worker that was shutting down stopped
LEFT_TO_RECOVERY = 75  # exit status: the row was not written on purpose


class LiveRun:
    """What a kind uses while it runs (the protocol `opsconsole.kinds.Run`)."""

    def __init__(self, operation: Operation, channel: Channel, workdir: Path) -> None:
        self.operation_id = operation.id
        self.fence = int(operation.fence or 0)
        self.plan: Plan = operation.plan
        self.workdir = workdir
        self.engines: dict[str, Engine] = {}
        self.locks: dict[str, TargetLock] = {}
        self.announced = False  # before_commit was passed: the effect may exist
        self.committed = False
        self.stepped = False  # steps of several stand
        self.left_behind = False  # cleaning up failed: recovery does it again, until it succeeds
        self._databases: dict[str, Database] = {}
        self._channel = channel
        self._cancel = threading.Event()
        self._draining = False

    def database(self, role: str = "target") -> Database:
        if role not in self._databases:
            self._databases[role] = Database.objects.get(pk=self.plan.target(role).database_id)
        return self._databases[role]

    def engine(self, role: str = "target") -> Engine:
        return self.engines[role]

    def lock(self, role: str = "target") -> TargetLock:
        return self.locks[role]

    def arm(self) -> None:
        self.failpoint("arm.before")
        self.check_cancel()
        self.look_again()
        arming.arm(self.operation_id, self.fence, arming.check_preconditions(self.plan, self.engines))
        self.failpoint("arm.committed")

    def look_again(self) -> None:
        arming.look_again(self.operation_id, self.plan, self.engines)

    def recheck(self) -> None:
        arming.check_preconditions(self.plan, self.engines)

    def before_commit(self, *, witness: Mapping[str, Any] | None = None) -> None:
        held = Operation.objects.filter(pk=self.operation_id, fence=self.fence)
        if held.filter(state=State.RUNNING).update(witness=dict(witness or {})) != 1:
            if held.filter(state=State.CANCELLING).exists():
                so_far = "the steps before it stay" if self.stepped else "nothing was changed"
                raise Cancelled("cancelled", f"It was cancelled before its commit point; {so_far}.")
            raise FenceLost("fence_lost", f"Operation {self.operation_id} is no longer held under fence {self.fence}.")
        self.announced = True

    def confirm_fence(self) -> None:
        """Raises FenceLost when another worker has taken over: then what is left behind is that one's to remove."""
        held = Operation.objects.filter(pk=self.operation_id, fence=self.fence, state__in=HELD_BY_WORKER)
        if not held.exists():
            raise FenceLost("fence_lost", f"Operation {self.operation_id} is no longer held under fence {self.fence}.")

    def after_commit(self) -> None:
        self.committed = True
        Operation.objects.filter(pk=self.operation_id, fence=self.fence, state__in=HELD_BY_WORKER).update(
            committed_at=now()
        )

    def after_step(self, *, witness: Mapping[str, Any]) -> None:
        self.stepped, self.announced = True, False
        held = Operation.objects.filter(pk=self.operation_id, fence=self.fence, state__in=HELD_BY_WORKER)
        held.update(witness=dict(witness))

    def progress(self, done: int, total: int, unit: str, *, step: str = "") -> None:
        self._channel.send({"step": step, "done": done, "total": total, "unit": unit})

    def log(self, line: str) -> None:
        self._channel.log(line)

    def secret(self, name: str) -> str:
        found = OperationSecret.objects.filter(operation_id=self.operation_id, name=name).first()
        return field_cipher().open(found.value_sealed) if found else ""

    def give_reason(self, error: Exception) -> None:
        """Tell the supervisor why the run stopped and wrote no end; recovery puts it into the row."""
        found = foreseen(error)
        why = found.why if found else f"an unexpected error ({type(error).__name__})"
        failure = {"code": found.code, "why": found.why, "next": found.next_step} if found else {}
        where = "at" if self.announced else "before"
        self._channel.send({"reason": f"It stopped {where} its commit point: {why}", **failure})

    def check_cancel(self) -> None:
        if not self._cancel.is_set() or self.announced:
            return
        if self.stepped:
            why = "Its worker was shut down" if self._draining else "It was cancelled"
            raise Cancelled(DRAINED if self._draining else "cancelled", f"{why} between two steps.")
        if self._draining:
            raise Cancelled(
                DRAINED, "Its worker was shut down before the commit point; nothing was changed.", "Ask for it again."
            )
        raise Cancelled("cancelled", "It was cancelled before its commit point; nothing was changed.")

    def failpoint(self, name: str) -> None:
        failpoints.hit(name)

    def ask_to_cancel(self, *, draining: bool) -> None:
        self._draining = draining
        self._cancel.set()


def workdir_of(operation_id: int, fence: int) -> Path:
    """The private folder of one run, on the store's disk."""
    return Path(settings.OPSCONSOLE_STORE) / "work" / f"{operation_id}.{fence}"


def main(operation_id: int, fence: int, out_fd: int, control_fd: int) -> int:
    """Carry out one claimed operation; gives back the process's exit status."""
    process.adopt_orphans()
    operation = Operation.objects.get(pk=operation_id)
    if operation.fence != fence or operation.state not in HELD_BY_WORKER:
        return 0
    workdir = workdir_of(operation_id, fence)
    run = LiveRun(operation, Channel(out_fd), workdir)
    threading.Thread(target=_listen, args=(control_fd, run), daemon=True).start()
    actor = audit.Actor(kind="worker", name=operation.worker or "worker", host=os.uname().nodename)
    with audit.acting_as(actor):
        try:
            return _carry_out(operation, run)
        except FenceLost:
            return 0
        finally:
            shutil.rmtree(workdir, ignore_errors=True)


def _carry_out(operation: Operation, run: LiveRun) -> int:
    try:
        with contextlib.ExitStack() as stack:
            run.workdir.mkdir(mode=0o700, parents=True, exist_ok=True)
            _take_locks(run, stack)
            failpoints.hit("lock.acquired")
            result = _run(kinds.get(operation.kind), run)
    except FenceLost:
        raise
    except TargetBusy as busy:
        return _wait_again(operation, run, busy)
    except StoppedPartway as stopped:
        _fail(operation, run, stopped.code, stopped.why, stopped.next_step, result=stopped.data)
        return 0
    except Exception as error:
        in_doubt = run.announced or run.stepped or run.left_behind
        if in_doubt or isinstance(error, OperationalError | InterfaceError):
            log.exception("operation %s stopped where recovery must read the witness", operation.id)
            run.give_reason(error)
            return LEFT_TO_RECOVERY
        return _end_badly(operation, run, error)
    failpoints.hit("finish.before")
    move(
        operation,
        State.SUCCEEDED,
        frm=HELD_BY_WORKER,
        held=run.fence,
        result={"summary": result.summary, **result.data},
        data={"summary": result.summary},
    )
    failpoints.hit("finish.committed")
    return 0


def _run(kind: kinds.Kind, run: LiveRun) -> kinds.Result:
    """Carry the plan out; what ends without its effect is cleaned up while the locks are still held."""
    try:
        return kind.run(run)
    except FenceLost:
        raise  # whoever has taken over cleans up
    except Exception as error:
        if not (run.announced or run.stepped) or isinstance(error, StoppedPartway):
            _clean_up(kind, run)
        raise


def _clean_up(kind: kinds.Kind, run: LiveRun) -> None:
    case = kinds.Recovery(
        operation_id=run.operation_id, fence=run.fence, plan=run.plan, witness={}, engines=run.engines
    )
    try:
        run.confirm_fence()
        kind.clean_up(case)
    except FenceLost:
        raise
    except Exception as error:
        log.warning("operation %s could not be cleaned up: %s", run.operation_id, error)
        run.log(f"Cleaning up did not work yet and is tried again: {error}")
        run.left_behind = True


def _take_locks(run: LiveRun, stack: contextlib.ExitStack) -> None:
    """Open every target and take its lock, in the order of identities, so that two runs cannot wait for each other."""
    label = session_label(run.operation_id, run.fence)
    for target in sorted(run.plan.targets, key=lambda t: t.identity):
        engine = databases.engine_for(run.database(target.role), session_label=label)
        run.engines[target.role] = engine
        if target.role != "shared":
            run.locks[target.role] = stack.enter_context(engine.hold())


def _wait_again(operation: Operation, run: LiveRun, busy: TargetBusy) -> int:
    text = f"{busy.holder.label} holds the target" + (f" since {busy.holder.since}" if busy.holder.since else "")
    _queue_again(operation, run, text, at=now() + timedelta(seconds=settings.REAPER_SECONDS), waiting_for=text[:300])
    return 0


def _queue_again(operation: Operation, run: LiveRun, reason: str, *, at: datetime, waiting_for: str = "") -> None:
    """Give a run back that has done nothing; it does not count as an attempt."""
    move(
        operation,
        State.QUEUED,
        frm=[State.RUNNING],
        held=run.fence,
        event="op.waiting",
        reason=reason,
        waiting_for=waiting_for,
        run_after=at,
        lease_until=None,
        published_at=None,
        attempts=max(0, operation.attempts - 1),
    )


def _end_badly(operation: Operation, run: LiveRun, error: Exception) -> int:
    """Write how it ended without its effect."""
    found = foreseen(error)
    if isinstance(error, Stale):
        moved = [{"what": m.what, "old": m.old, "new": m.new} for m in error.moved]
        move(
            operation,
            State.STALE,
            frm=HELD_BY_WORKER,
            held=run.fence,
            reason=error.why,
            failure_code=error.code,
            failure_why=error.why,
            failure_next=error.next_step,
            data={"moved": moved},
        )
    elif isinstance(error, Cancelled):
        _end_cancelled(operation, run, error)
    elif isinstance(error, Refused) and error.code == "expired":
        move(operation, State.EXPIRED, frm=HELD_BY_WORKER, held=run.fence, reason=error.why)
    elif found is not None:
        log.info("operation %s failed: %s", operation.id, found)
        _fail(operation, run, found.code, found.why, found.next_step)
    else:
        log.exception("operation %s crashed", operation.id)
        _fail(
            operation,
            run,
            "crash",
            f"An unexpected error stopped it ({type(error).__name__}); nothing was changed.",
            "Look at the worker's log, then ask for the operation again.",
        )
    return 0


def _end_cancelled(operation: Operation, run: LiveRun, error: Cancelled) -> None:
    """A person asked, or the worker is shutting down: what may be repeated then waits for the next worker."""
    nobody_asked = Operation.objects.filter(pk=operation.id, state=State.RUNNING).exists()
    if nobody_asked and kinds.get(operation.kind).repeatable:
        _queue_again(operation, run, "Its worker was shut down; the next one starts it again.", at=now())
        return
    if nobody_asked:
        move(operation, State.CANCELLING, frm=[State.RUNNING], held=run.fence, reason="The worker is shutting down.")
    move(
        operation, State.CANCELLED, frm=[State.CANCELLING], held=run.fence, reason=error.why, data={"code": error.code}
    )


def _fail(operation: Operation, run: LiveRun, code: str, why: str, next_step: str, **fields: Any) -> None:
    move(
        operation,
        State.FAILED,
        frm=HELD_BY_WORKER,
        held=run.fence,
        reason=why,
        failure_code=code,
        failure_why=why,
        failure_next=next_step,
        data={"code": code},
        **fields,
    )


def _listen(control_fd: int, run: LiveRun) -> None:
    """Wait for the supervisor: a byte asks to stop, the end of the pipe means that it is gone."""
    while data := os.read(control_fd, 1):
        run.ask_to_cancel(draining=data == DRAIN)
    process.kill_marked(f"{run.operation_id}.{run.fence}", instance=instance_id(), seconds=1.0)
    os._exit(1)
