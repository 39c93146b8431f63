"""What waits for somebody. Reads rows, writes none."""

from __future__ import annotations

from opsconsole.approvals.voters import may_vote
from opsconsole.models import Account, Operation
from opsconsole.states import State


def waiting_for(account: Account) -> list[Operation]:
    """The operations on which the account may decide now, the one that lapses first on top."""
    rows = Operation.objects.filter(state=State.PENDING_APPROVAL).order_by("expires_at", "id")
    joined = rows.select_related(
        "database__environment", "requester__person", "requester_person", "token__account__person"
    )
    return [operation for operation in joined if not may_vote(account, operation)]
