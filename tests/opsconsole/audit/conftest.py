from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from opsconsole import audit, bootstrap, kinds, operations
from opsconsole.databases import registration
from opsconsole.models import AuditEvent
from tests.opsconsole.approvals.scenes import Copy, Scrub
from tests.opsconsole.audit.story import acting
from tests.support.cases import make_shop
from tests.support.console import Console
from tests.support.people import Cast, assemble


@pytest.fixture
def cast(console: Console) -> Cast:
    """The people, in a console that is being set up."""
    return assemble()


@pytest.fixture
def history(console: Console) -> list[AuditEvent]:
    """Thirty sealed events with a checkpoint at 10, at 20 and at the end."""
    events = []
    for number in range(1, 31):
        events.append(audit.record("auth.login", subject=f"login {number}"))
        if number % 10 == 0:
            audit.checkpoint(force=True)
    return events


@pytest.fixture
def office(console: Console, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cast]:
    """A console whose whole life stands in its history: set up, with a protected database `savings` and `sandbox`."""
    monkeypatch.setattr(kinds, "_REGISTRY", {**kinds._REGISTRY, "scrub": Scrub(), "copy": Copy()})
    audit.console_started("web")
    cast = assemble()
    for name, environment in (("savings", "production"), ("sandbox", "development")):
        url = f"sqlite:///{make_shop(console.files / f'{name}.sqlite3', rows=3)}"
        wanted = registration.addition(name, environment=environment, url=url)
        assert acting(cast.admin, lambda given=wanted: operations.request_change(
            "database.add", given, account=cast.admin, reason="it is wanted")).state == "succeeded"  # fmt: skip
    assert bootstrap.close_if_ready(cast.grace)
    monkeypatch.setattr("opsconsole.verify_audit.SLACK", timedelta(0))  # what follows does so within seconds
    yield cast
