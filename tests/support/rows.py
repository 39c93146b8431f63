"""Rows as nobody but a test makes them: straight into the table, past every rule that is written in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from opsconsole.plans import Plan

if TYPE_CHECKING:
    from opsconsole.models import Account, Operation, Vote

only_on_sqlite = pytest.mark.parametrize("console_backend", ["sqlite"])
only_on_postgresql = pytest.mark.parametrize("console_backend", ["postgresql"])
SUMMARY = "The console has a new policy."
DIGEST = Plan(kind="restore", summary=SUMMARY).digest  # of what `operation_of` makes by default


def operation_of(account: Account, *, kind: str = "restore", votes_needed: int = 0, **fields: Any) -> Operation:
    """A planned operation without a target; gated when votes are needed."""
    from opsconsole.clock import now
    from opsconsole.models import Operation

    plan = Plan(kind=kind, summary=SUMMARY).to_bytes().decode()
    given = {"plan_text": plan, "digest": DIGEST, "plan_format": 1, "created_at": now()} | fields
    gate = {"gated": votes_needed > 0, "votes_needed": votes_needed}
    return Operation.objects.create(kind=kind, requester=account, requester_person=account.person, **gate, **given)


def bring(operation: Operation, *states: str) -> Operation:
    """Move a row through states, one UPDATE each."""
    for state in states:
        type(operation).objects.filter(pk=operation.pk).update(state=state)
    operation.refresh_from_db()
    return operation


def vote(operation: Operation, account: Account, decision: str = "approve", digest: str = DIGEST) -> Vote:
    """A vote as it lies in the table."""
    from opsconsole.clock import now
    from opsconsole.models import Vote

    return Vote.objects.create(
        operation=operation, digest=digest, account=account, person=account.person, decision=decision, auth_at=now(),
        credential=DIGEST, policy_digest=DIGEST, at=now(),
    )  # fmt: skip


def sql(statement: str, *values: object) -> int:
    """Run one statement on the console's own database; gives back how many rows it changed."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return int(cursor.rowcount)
