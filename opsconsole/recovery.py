"""What happens to an operation whose worker was lost: take over, clean up, read the witness, write the end.

Recovery is deterministic: witness done -> succeeded; not done -> failed without effect (or queued again when it may be
repeated); partly -> failed, with the steps that stand; unreadable -> indeterminate, and a human decides.
"""

from __future__ import annotations

import logging
import shutil
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from opsconsole import audit, databases, kinds, process
from opsconsole.clock import now
from opsconsole.engines.base import Engine, TargetBusy
from opsconsole.exceptions import FenceLost, OpsError
from opsconsole.fences import next_fence
from opsconsole.instance import instance_id, session_label
from opsconsole.kinds import Recovery, Result, Witness
from opsconsole.models import Operation
from opsconsole.runner import workdir_of
from opsconsole.states import ACTIVE, HELD_BY_WORKER, State
from opsconsole.transitions import Overtaken, move

log = logging.getLogger(__name__)
MOST_ATTEMPTS = 3
_NO_FAILURE: dict[str, Any] = {"failure_code": "", "failure_why": "", "failure_next": ""}
PATIENCE = timedelta(minutes=10)  # how long an unreachable target is asked before it counts as unknown


def reap(queues: list[str] | None = None) -> int:
    """Recover what has lost its lease (on the given queues, or all); gives back how many were looked at."""
    late = now() - timedelta(seconds=settings.REAPER_GRACE_SECONDS)
    lost = Operation.objects.filter(
        Q(state__in=HELD_BY_WORKER) | Q(state=State.RECOVERING), Q(lease_until__lt=late) | Q(lease_until=None)
    )
    if queues is not None:
        lost = lost.filter(queue__in=queues)
    rows = list(lost.order_by("id")[:20])
    for row in rows:
        try:
            recover(row, reason="Its worker was lost: the lease ran out.")
        except (FenceLost, Overtaken):
            log.info("operation %s was taken over by another", row.id)
        except Exception:
            log.exception("operation %s could not be recovered; it is tried again", row.id)
    return len(rows)


def sweep() -> int:
    """Remove the working folders of runs that are over, and whatever still runs for them; gives back how many."""
    folders = [path for path in workdir_of(0, 0).parent.glob("*.*") if path.is_dir()]
    swept = 0
    for folder in folders:
        operation_id, _, fence = folder.name.partition(".")
        if not Operation.objects.filter(pk=operation_id, runner_fence=fence, state__in=ACTIVE).exists():
            process.kill_marked(folder.name, instance=instance_id())
            shutil.rmtree(folder, ignore_errors=True)
            swept += 1
    return swept


def recover(row: Operation, *, reason: str, failure: OpsError | None = None) -> Operation:
    """Take over a lost operation under a new fence and bring it to its end. `failure` is why it stopped, where known.

    What cannot be asked now is asked again by the next tick; after PATIENCE since the loss, a human is.
    """
    row = _take_over(row, reason, failure)
    dead = int(row.runner_fence or 0)
    process.kill_marked(f"{row.id}.{dead}", instance=instance_id())
    try:
        witness, result = _ask(row, dead)
    except Exception as error:
        if not isinstance(error, OpsError | TargetBusy):
            log.exception("operation %s could not be recovered now", row.id)
        if now() - (row.lost_at or row.created_at) < PATIENCE:
            return _wait(row, error)
        witness, result = _without_target(row, dead)
        reason = f"{reason} The target could not be asked: {_words(error)}"
    shutil.rmtree(workdir_of(row.id, dead), ignore_errors=True)
    return _conclude(row, kinds.get(row.kind), witness, result, reason)


def _ask(row: Operation, dead: int) -> tuple[Witness, Result | None]:
    """Under the locks: clean up what the dead runner left, and read the witness."""
    with ExitStack() as stack:
        case = _case(row, dead)
        for role in sorted(case.engines, key=lambda r: row.plan.target(r).identity):
            if role != "shared":
                stack.enter_context(case.engines[role].hold())
        return _judge(kinds.get(row.kind), case, row)


def _without_target(row: Operation, dead: int) -> tuple[Witness, Result | None]:
    """What is known of an operation whose target stays silent: a kind that only reads has its witness elsewhere."""
    kind = kinds.get(row.kind)
    if kind.mutates and not row.witness:
        return Witness.NOT_DONE, None  # its commit point was never announced
    return (Witness.UNKNOWN, None) if kind.mutates else kind.witness(_case(row, dead))


def _case(row: Operation, dead: int) -> Recovery:
    engines = _engines(row, session_label(row.id, int(row.fence or 0)))
    return Recovery(operation_id=row.id, fence=dead, plan=row.plan, witness=row.witness, engines=engines)


def _wait(row: Operation, error: Exception) -> Operation:
    audit.record("op.recovery_delayed", operation=row, outcome="failed", reason=_words(error))
    return row


def _words(error: Exception) -> str:
    if isinstance(error, OpsError):
        return error.why
    return str(error) if isinstance(error, TargetBusy) else f"an unexpected error ({type(error).__name__})"


def _take_over(row: Operation, reason: str, failure: OpsError | None) -> Operation:
    known: dict[str, Any] = {}
    if failure is not None:
        known = {"failure_code": failure.code, "failure_why": failure.why, "failure_next": failure.next_step}
    at, fence = now(), next_fence()
    lease = at + timedelta(seconds=settings.LEASE_SECONDS)
    if row.state != State.RECOVERING:
        return move(
            row,
            State.RECOVERING,
            frm=HELD_BY_WORKER,
            held=row.fence,
            reason=reason,
            fence=fence,
            lease_until=lease,
            lost_at=at,
            **known,
        )
    held = Operation.objects.filter(pk=row.pk, state=State.RECOVERING, fence=row.fence)
    if held.update(fence=fence, lease_until=lease) != 1:
        raise FenceLost("fence_lost", f"Another worker recovers operation {row.id}.")
    row.refresh_from_db()
    return row


def _engines(row: Operation, label: str) -> dict[str, Engine]:
    rows = {target.role: target.database for target in row.targets.select_related("database")}
    return {role: databases.engine_for(database, session_label=label) for role, database in rows.items()}


def _judge(kind: kinds.Kind, case: Recovery, row: Operation) -> tuple[Witness, Result | None]:
    """Without a grant nothing was ever written; otherwise the kind reads its witness."""
    if not hasattr(row, "grant") and kind.mutates:
        kind.clean_up(case)
        return Witness.NOT_DONE, None
    verdict = kind.witness(case)
    if verdict[0] is not Witness.UNKNOWN:
        kind.clean_up(case)
    return verdict


def _conclude(row: Operation, kind: kinds.Kind, witness: Witness, result: Result | None, reason: str) -> Operation:
    """Write the end that the witness calls for."""
    to, said, fields = _end(row, kind, witness, result, reason)
    return move(
        row,
        to,
        frm=[State.RECOVERING],
        held=row.fence,
        event="" if to is State.INDETERMINATE else "op.recovered",
        reason=f"{reason} {said}".strip(),
        data={"witness": str(witness), "code": row.failure_code or "worker_lost"},
        **fields,
    )


def _end(
    row: Operation, kind: kinds.Kind, witness: Witness, result: Result | None, reason: str
) -> tuple[State, str, dict[str, Any]]:
    """The state that a witness leads to, what to say of it, and the columns that go with it."""
    if witness is Witness.DONE:
        found = result or Result(summary=f"{row.plan.summary} It was done before its worker was lost.")
        ended = {"result": {"summary": found.summary, **found.data}, "committed_at": row.committed_at or now()}
        return State.SUCCEEDED, "", ended | _NO_FAILURE
    if witness is Witness.UNKNOWN:
        return State.INDETERMINATE, "Whether it took effect cannot be read from the target.", {}
    if witness is Witness.PARTLY:
        return State.FAILED, "Part of it stands.", _partly(row, result or Result(summary="Some of its steps stand."))
    if row.cancel_requested_at is not None:
        return State.CANCELLED, "Nothing was changed.", _NO_FAILURE
    if kind.repeatable and row.attempts < MOST_ATTEMPTS:
        wait = timedelta(seconds=settings.REAPER_SECONDS * 2 ** (row.attempts - 1))
        again = {"run_after": now() + wait, "lease_until": None, "published_at": None}
        return State.QUEUED, "It is tried again.", again | _NO_FAILURE
    failure = {
        "failure_code": row.failure_code or "worker_lost",
        "failure_why": f"{row.failure_why or reason} Nothing was changed in the target.",
        "failure_next": row.failure_next or "Ask for the operation again.",
    }
    return State.FAILED, "Nothing was changed.", failure


def _partly(row: Operation, result: Result) -> dict[str, Any]:
    """How a run of several steps is told that was lost among them."""
    known = result.data
    return {
        "result": {"summary": result.summary, **known},
        "failure_code": str(known.get("code") or row.failure_code or "worker_lost"),
        "failure_why": f"{row.failure_why} {result.summary}".strip(),
        "failure_next": str(known.get("next") or row.failure_next),
    }
