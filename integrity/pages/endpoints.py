"""What programs ask of this app over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrity.health import answering
from opsconsole.api.base import Call, endpoint
from opsconsole.models import Database


@endpoint(
    "databases/<slug:name>/health",
    name="health",
    permission="see",
    scope="database",
    about="Whether a database is healthy, and what the rules marked as health count.",
)
def health(call: Call, database: Database) -> Mapping[str, Any]:
    """The newest look, or with `?fresh=1` one of now (at most one in some seconds)."""
    return answering.answer(database, fresh=call.flag("fresh"))
