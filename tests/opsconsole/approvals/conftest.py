"""The cast with the bootstrap closed, and databases to ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from opsconsole import kinds, operations
from opsconsole.models import Account, Database
from tests.support.console import Console
from tests.support.people import Cast, assemble, close_bootstrap


@dataclass(frozen=True)
class Team:
    """People, a protected database (savings) and an unprotected one (sandbox); the setting up is over."""

    people: Cast
    savings: Database
    sandbox: Database

    def __getattr__(self, login: str) -> Account:
        account: Account = getattr(object.__getattribute__(self, "people"), login)
        return account


@pytest.fixture(autouse=True)
def kinds_of_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kinds that only the tests of approvals know."""
    from tests.opsconsole.approvals.scenes import Copy, Costly, Scrub, Unscrub

    known = {"scrub": Scrub(), "copy": Copy(), "costly": Costly(), "unscrub": Unscrub()}
    monkeypatch.setattr(kinds, "_REGISTRY", {**kinds._REGISTRY, **known})
    yield


@pytest.fixture
def founders(console: Console) -> Cast:
    """The cast while the console is still being set up."""
    return assemble()


@pytest.fixture
def team(founders: Cast) -> Team:
    from tests.opsconsole.approvals.scenes import add_database

    savings, sandbox = add_database("savings", "production"), add_database("sandbox", "development")
    close_bootstrap()
    return Team(people=founders, savings=savings, sandbox=sandbox)


@pytest.fixture
def need(team: Team) -> Callable[..., None]:
    """`need("scrub", {"approvers": 2})` puts a policy in force, confirmed by grace."""

    def policy(kind: str, seats: dict[str, int], *, name: str = "wanted", **more: Any) -> None:
        from tests.opsconsole.approvals.scenes import approve

        clauses = [{"role": role, "count": count} for role, count in seats.items()]
        given = {"name": name, "match": {"kinds": [kind]}, "clauses": clauses, **more}
        done = approve(
            team.grace, operations.request_change("policy.set", given, account=team.admin, reason="it is wanted")
        )
        assert done.state == "succeeded", done.failure_why

    return policy


@pytest.fixture
def give(team: Team, settings: Any) -> Callable[..., None]:
    """`give(account, "approvers")` gives a role that counts at once, confirmed by grace (or `by` another)."""

    def role(account: Account, role: str, owner_group: str = "default", by: Account | None = None) -> None:
        from tests.opsconsole.approvals.scenes import approve

        settings.NEW_APPROVER_HOURS = 0
        given = {"login": account.username, "role": role, "owner_group": owner_group}
        done = approve(
            by or team.grace,
            operations.request_change("membership.add", given, account=team.admin, reason="it is wanted"),
        )
        assert done.state == "succeeded", done.failure_why
        settings.NEW_APPROVER_HOURS = 24

    return role
