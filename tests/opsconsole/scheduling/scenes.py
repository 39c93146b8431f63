"""What the tests of schedules begin with: kinds that fail in their own ways, and a schedule that grace confirmed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from opsconsole import audit, kinds, operations
from opsconsole.exceptions import Refused
from opsconsole.models import Schedule
from opsconsole.states import State
from tests.opsconsole.approvals.scenes import Copy, approve

NIGHTLY = {"name": "copies", "title": "Copies", "kind": "copy", "databases": "savings"}
FIRST = {"minutes": 12}


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=10)


def daily() -> str:
    """A time of each day whose first one is in ten minutes."""
    return f"{soon().minute} {soon().hour} * * *"


class Refusing(Copy):
    name = "refusing"

    def plan(self, request: kinds.Request) -> Any:
        raise Refused("no_space", "There is no room.", "Make some.")


class Crashing(Copy):
    name = "crashing"

    def plan(self, request: kinds.Request) -> Any:
        if request.database.name == "sandbox":
            raise RuntimeError("nobody foresaw this")
        return super().plan(request)


def set_up(people: Any, **more: Any) -> Schedule:
    asked = operations.request_change(
        "schedule.set", {"cron": daily(), **NIGHTLY, **more}, account=people.ada, reason="as agreed"
    )
    assert asked.state == State.PENDING_APPROVAL
    assert approve(people.grace, asked).state == State.SUCCEEDED
    return Schedule.objects.order_by("-id").first()  # type: ignore[return-value]


def unsound() -> list[str]:
    """What the history finds wrong; the databases of these tests came without events."""
    return [finding.why for finding in audit.verify(approvals=True).findings if finding.code != "database"]
