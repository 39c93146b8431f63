"""A console with people, a protected database (savings) and an unprotected one (sandbox), and browsers signed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from opsconsole import kinds
from opsconsole import urls as _every_page_is_declared_by_now  # noqa: F401
from opsconsole.models import Account, Database, Operation
from tests.opsconsole.approvals.scenes import Copy, Costly, Scrub, add_database, approve, ask
from tests.support.console import Console
from tests.support.people import PASSWORD, Cast, assemble, close_bootstrap


@dataclass(frozen=True)
class Office:
    """People at work. `at("ada")` is a browser in which she has just signed in."""

    people: Cast
    savings: Database
    sandbox: Database

    def __getattr__(self, login: str) -> Account:
        account: Account = getattr(object.__getattribute__(self, "people"), login)
        return account

    def at(self, login: str) -> Client:
        client = Client()
        answer = client.post("/login/", {"username": login, "password": PASSWORD})
        assert answer.status_code == 302, answer.content.decode()
        return client

    def waiting(self, database: Database | None = None) -> Operation:
        """Ada has asked for something that needs another person."""
        return ask(self.ada, database or self.savings)

    def queued(self) -> Operation:
        """What ada asked for and grace approved."""
        return approve(self.grace, self.waiting())


@pytest.fixture(autouse=True)
def kinds_of_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kinds that only tests know: some change data in name, one only reads."""
    known = {"scrub": Scrub(), "copy": Copy(), "costly": Costly()}
    monkeypatch.setattr(kinds, "_REGISTRY", {**kinds._REGISTRY, **known})
    yield


@pytest.fixture
def founding(console: Console) -> Office:
    """The office while the console is still being set up, so that rows may be added freely."""
    people = assemble()
    return Office(
        people=people, savings=add_database("savings", "production"), sandbox=add_database("sandbox", "development")
    )


@pytest.fixture
def office(founding: Office) -> Office:
    close_bootstrap()
    return founding


@pytest.fixture
def queries(console: Console) -> Callable[[Client, str], int]:
    """`queries(client, path)`: how many statements a page needs."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def counted(client: Client, path: str, **headers: Any) -> int:
        client.get(path)  # what a process reads once is read here
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path, headers=headers).status_code == 200
        return len(captured)

    return counted
