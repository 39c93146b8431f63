"""Databases with nightly backups that nobody took, and a clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from lifecycle.models import Backup
from lifecycle.retention import clocks
from opsconsole.models import Database
from opsconsole.states import State
from tests.opsconsole.approvals.scenes import add_database
from tests.support.backups import list_backup
from tests.support.people import Cast
from tests.support.rows import bring

DAY = timedelta(days=1)


def taken(database: Database, cast: Cast, *, age: timedelta = timedelta(), **more: Any) -> Backup:
    """A backup whose operation has ended."""
    backup: Backup = list_backup(database, cast.ada, age=age, **more)
    bring(backup.operation, State.QUEUED, State.RUNNING, State.SUCCEEDED)
    backup.database.refresh_from_db()
    return backup


def nightly(database: Database, cast: Cast, count: int) -> list[Backup]:
    """One a night, the newest first."""
    return [taken(database, cast, age=number * DAY + timedelta(hours=1)) for number in range(count)]


@pytest.fixture
def shop(cast: Cast) -> Database:
    return add_database("shop", "development")


@pytest.fixture
def later(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`later(days=1)`: so much time passes, for the console's clock and for its host's alike. It begins at noon."""
    began, passed = clocks.this_host(), timedelta()
    monkeypatch.setattr(
        clocks,
        "this_host",
        lambda: clocks.Hint(boot=began.boot, seconds=began.seconds + passed.total_seconds()),
    )
    noon = (timezone.now() + 2 * DAY).replace(hour=12, minute=0)  # so that no test runs across midnight
    with time_machine.travel(noon, tick=False) as traveller:

        def move(**length: float) -> None:
            nonlocal passed
            passed += timedelta(**length)
            traveller.shift(timedelta(**length))

        yield move
