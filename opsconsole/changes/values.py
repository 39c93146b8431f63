"""Reading the parameters that somebody gave: texts from a form or the command line, or JSON values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from opsconsole.exceptions import Usage
from opsconsole.models.databases import NAME


def text(parameters: Mapping[str, Any], name: str, *, default: str | None = None) -> str:
    """A text without blanks around it. Raises Usage when it is missing and has no default."""
    value = str(parameters.get(name) or "").strip() or default
    if value is None:
        raise Usage("missing_value", f"A value for {name} is needed.", f"Give {name}.")
    return value


def slug(parameters: Mapping[str, Any], name: str, *, of: str, default: str | None = None) -> str:
    """The name of something (`of` says what): small letters, digits, - and _. Raises Usage."""
    value = text(parameters, name, default=default)
    try:
        NAME(value)
    except ValidationError as error:
        raise Usage("bad_name", f"{value!r} is no name for {of}.", error.messages[0]) from None
    return value


def names(parameters: Mapping[str, Any], name: str) -> list[str]:
    """A list of names: a list, or a text with commas."""
    value = parameters.get(name) or ()
    parts = value.split(",") if isinstance(value, str) else [str(part) for part in value]
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))


def flag(parameters: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    """Yes or no: a boolean, or one of the texts yes, no, true, false, on, off. Raises Usage."""
    value = parameters.get(name, default)
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("yes", "true", "on"):
        return True
    if word in ("no", "false", "off", ""):
        return False
    raise Usage("bad_value", f"{value!r} is no value of {name}.", "Use yes or no.")


def number(parameters: Mapping[str, Any], name: str, *, default: int, least: int, most: int) -> int:
    """A whole number within limits. Raises Usage."""
    value = parameters.get(name, default)
    try:
        found = int(str(value))
    except ValueError:
        found = least - 1
    if not least <= found <= most:
        raise Usage("bad_value", f"{value!r} is no value of {name}.", f"Use a whole number from {least} to {most}.")
    return found


def structure(parameters: Mapping[str, Any], name: str, *, default: Any) -> Any:
    """A JSON value, or a text that holds one. Raises Usage."""
    value = parameters.get(name, default)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value or "null") or default
    except ValueError:
        raise Usage(
            "bad_value", f"{name} is not readable as JSON.", "Write it like the example in docs/approvals.md."
        ) from None
