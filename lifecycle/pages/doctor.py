"""What a doctor found, on the page of its operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsconsole.models import Operation
from opsconsole.pages.panels import Panel, register_panel


def found(operation: Operation) -> Mapping[str, Any] | None:
    """None while nothing was found; its sentence stands above it as the result."""
    result = operation.result
    if not (result.get("diagnoses") or result.get("changes")):
        return None
    return {**result, "more": result["changes_in_all"] - len(result["changes"])}


register_panel("doctor", Panel(template="lifecycle/migrations/_found.html", content=found))
