"""How people use a console whose whole life stands in its history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from opsconsole import arming, audit, operations
from opsconsole.clock import now
from opsconsole.models import Account, Database, Operation, Schedule
from opsconsole.scheduling import due
from opsconsole.states import State
from opsconsole.transitions import move
from tests.opsconsole.approvals.scenes import approve
from tests.support.people import Cast


def acting(account: Account, work: Callable[[], Operation]) -> Operation:
    with audit.acting_as(audit.actor_for(account)):
        return work()


def asked(account: Account, database: str) -> Operation:
    row = Database.objects.get(name=database)
    return acting(account, lambda: operations.request("scrub", row, {}, account=account, confirm=database))


def armed(operation: Operation, fence: int = 7) -> Operation:
    move(operation, State.RUNNING, fence=fence, started_at=now())
    arming.arm(operation.pk, fence, {})
    return move(operation, State.SUCCEEDED)


def ran_by_schedule(cast: Cast) -> Operation:
    """Scrubs of savings are approved once by grace, with their schedule, and one has run."""
    wanted = {"name": "scrubs", "kind": "scrub", "databases": "savings", "cron": "0 3 * * *"}
    asked = acting(
        cast.ada, lambda: operations.request_change("schedule.set", wanted, account=cast.ada, reason="it is wanted")
    )
    assert acting(cast.grace, lambda: approve(cast.grace, asked)).state == "succeeded"
    schedule, savings = Schedule.objects.get(name="scrubs"), Database.objects.get(name="savings")
    assert due._begin(schedule, savings, now(), timedelta()) == 1
    return armed(Operation.objects.get(standing=asked), fence=9)


def live(cast: Cast) -> None:
    """A restore that grace approves, one on the sandbox that ada confirms, and a policy that asks for two."""
    one = asked(cast.ada, "savings")
    acting(cast.grace, lambda: approve(cast.grace, one))
    armed(one)
    armed(asked(cast.ada, "sandbox"), fence=8)
    wanted = {"name": "careful", "match": {"kinds": ["copy"]}, "clauses": [{"role": "approvers", "count": 2}]}
    change = acting(
        cast.admin, lambda: operations.request_change("policy.set", wanted, account=cast.admin, reason="it is wanted")
    )
    assert acting(cast.linus, lambda: approve(cast.linus, change)).state == "succeeded"
