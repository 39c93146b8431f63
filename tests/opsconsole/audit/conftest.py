from __future__ import annotations

import pytest

from opsconsole import audit
from opsconsole.models import AuditEvent
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
