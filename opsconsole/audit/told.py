"""What events tell, read back to be compared with rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from opsconsole.audit.redaction import plain
from opsconsole.audit.sentences import told_by

UNTOLD = object()  # what an event of an older console does not say


def event_of(payload: Any) -> dict[str, Any]:
    """What a stored payload says; empty when it is no event, or no bytes (the walk says so)."""
    return told_by(bytes(payload)) if isinstance(payload, bytes | memoryview) else {}


def data_of(payload: Any) -> dict[str, Any]:
    """The data of a payload, likewise."""
    found = event_of(payload).get("data")
    return found if isinstance(found, dict) else {}


def as_told(value: Any) -> Any:
    """A column's value as events tell it."""
    return plain(value.isoformat() if isinstance(value, datetime) else value)
