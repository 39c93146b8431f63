from __future__ import annotations

import pytest

from tests.support.people import Cast, assemble, close_bootstrap


@pytest.fixture
def cast(console: object) -> Cast:
    """The people, in a console that has been set up."""
    people = assemble()
    close_bootstrap()
    return people
