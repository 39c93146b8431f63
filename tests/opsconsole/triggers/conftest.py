from __future__ import annotations

import pytest

from tests.opsconsole.approvals.scenes import add_database
from tests.support.people import Cast, assemble, close_bootstrap


@pytest.fixture
def cast(console: object) -> Cast:
    """The people, in a console that has been set up with one database."""
    people = assemble()
    add_database("ledger", "development")
    close_bootstrap()
    return people
