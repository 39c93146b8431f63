"""What the tests of approvals begin with: a kind that changes data, a database to change, and how people vote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from opsconsole import kinds, operations
from opsconsole.clock import now
from opsconsole.models import Account, Database, Environment, Operation, OwnerGroup, Vote
from opsconsole.plans import Confirmation, Effect, Plan
from opsconsole.targets import plan_target
from tests.support.cases import typed


class Scrub(kinds.Kind):
    """Changes data, in name only: no test here runs it. With `source`, it also reads another database."""

    name = "scrub"
    label = "Scrub"
    engines = frozenset({"sqlite"})
    parameters = (kinds.Parameter(name="source", label="Source"),)

    def plan(self, request: kinds.Request) -> Plan:
        targets = [plan_target(request.database, None)]
        if request.parameters["source"]:
            source = Database.objects.get(name=request.parameters["source"])
            targets.append(plan_target(source, None, role="source"))
        effects = (Effect(object="orders", action="replaced", rows_before=9, rows_after=3),)
        return Plan(kind=self.name, summary="Orders are scrubbed.", targets=tuple(targets), effects=effects)

    def run(self, run: kinds.Run) -> kinds.Result:
        raise AssertionError("no test runs this")

    def witness(self, recovery: kinds.Recovery) -> tuple[kinds.Witness, None]:
        return kinds.Witness.NOT_DONE, None


class Unscrub(Scrub):
    """Takes a scrub back, so that whoever must agree to one must agree to this as well."""

    name = "unscrub"
    label = "Unscrub"
    like = "scrub"


class Copy(Scrub):
    """Changes no data, so no policy meets it unless it names it."""

    name = "copy"
    label = "Copy"
    mutates = gated = False


class Costly(Scrub):
    """Scrubs too, and would lose rows: who approves it types a number."""

    name = "costly"
    label = "Scrub at a cost"

    def plan(self, request: kinds.Request) -> Plan:
        effects = (Effect(object="orders", action="replaced", rows_before=1204, rows_after=9, lost=1204, changed=0),)
        asked = Confirmation(sentence="You would lose 1204 orders.", number=1204, counts="rows that would be lost")
        return replace(super().plan(request), effects=effects, confirmation=asked)


def add_database(name: str, environment: str = "production", *, identity: str = "", **more: Any) -> Database:
    """A row without a file behind it; the bootstrap must be open."""
    group, _ = OwnerGroup.objects.get_or_create(name=more.pop("owner_group", "default"))
    return Database.objects.create(
        name=name, engine="sqlite", url_env="NOWHERE_URL", display=f"sqlite:///{name}", owner_group=group,
        environment=Environment.objects.get(name=environment), identity=identity or f"sqlite:1:{name}:/{name}", **more,
    )  # fmt: skip


def ask(account: Account, database: Database, kind: str = "scrub", **parameters: str) -> Operation:
    """Ask for an operation; where nobody else is asked, the name is typed."""
    return operations.request(kind, database, parameters, account=account, confirm=database.name)


def approve(account: Account, operation: Operation, **more: Any) -> Operation:
    """Vote for what is waiting, the password just given."""
    fresh = Operation.objects.get(pk=operation.pk)
    usual = {"account": account, "digest": fresh.digest, "auth_at": now(), "typed": typed(fresh)}
    return operations.approve(fresh, **{**usual, **more})


def raw_vote(operation: Operation, account: Account, decision: str = "approve", **more: Any) -> Vote:
    """A vote written past every check, as raw SQL would."""
    from opsconsole.people import fingerprint

    row = {
        "operation": operation, "digest": operation.digest, "account": account, "person": account.person,
        "decision": decision, "auth_at": now(), "credential": fingerprint(account), "policy_digest": "", "at": now(),
    }  # fmt: skip
    return Vote.objects.create(**{**row, **more})


@contextmanager
def later(**span: float) -> Iterator[None]:
    """The console's clock goes ahead by `span` (hours=25, say)."""
    ahead = timedelta(**span)
    clock = mock.Mock(now=lambda: datetime.now(UTC) + ahead)
    with (
        mock.patch("opsconsole.clock.timezone", clock),
        mock.patch("opsconsole.clock.connection", mock.Mock(vendor="")),
    ):
        yield
