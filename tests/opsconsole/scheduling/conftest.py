"""A console with ada, who asks, and grace, who approves; no schedule but those of the tests is on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from opsconsole import audit, kinds, operations
from opsconsole.models import Schedule
from opsconsole.scheduling import due
from tests.opsconsole.approvals.scenes import Copy, Costly, Scrub, add_database
from tests.opsconsole.scheduling.scenes import Crashing, Refusing
from tests.support.people import assemble, close_bootstrap


@pytest.fixture(autouse=True)
def kinds_of_tests(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    known = {kind.name: kind for kind in (Scrub(), Costly(), Copy(), Refusing(), Crashing())}
    monkeypatch.setattr(kinds, "_REGISTRY", {**kinds._REGISTRY, **known})
    settings.SCHEDULES = True
    yield
    due._again.clear()


@pytest.fixture
def people(console: Any) -> Any:
    """Ada may ask, grace approves; savings is protected, sandbox is not, and only schedules of tests are on."""
    audit.console_started("web")
    cast = assemble()
    for name, environment in (("savings", "production"), ("sandbox", "development")):
        row = add_database(name, environment)
        told = {"environment": environment, "owner_group": "default", "tags": [], "identity": row.identity}
        audit.record("database.added", database=row, data=told)
    for shipped in Schedule.objects.filter(changed_by=None):
        operations.request_change("schedule.off", {"name": shipped.name}, account=cast.admin, reason="it is wanted")
    add_database("crm", "production", owner_group="sales")
    close_bootstrap()
    return cast
