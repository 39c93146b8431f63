"""How people use a console whose whole life stands in its history."""

from __future__ import annotations

from collections.abc import Callable

from opsconsole import arming, audit, operations
from opsconsole.clock import now
from opsconsole.models import Account, Database, Operation
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


def live(cast: Cast) -> None:
    """A restore that grace approves, one on the sandbox that ada confirms, and a policy that asks for two."""
    one = asked(cast.ada, "savings")
    acting(cast.grace, lambda: approve(cast.grace, one))
    armed(one)
    armed(asked(cast.ada, "sandbox"), fence=8)
    wanted = {"name": "careful", "match": {"kinds": ["copy"]}, "clauses": [{"role": "approvers", "count": 2}]}
    change = acting(cast.admin, lambda: operations.request_change("policy.set", wanted, account=cast.admin))
    assert acting(cast.linus, lambda: approve(cast.linus, change)).state == "succeeded"
