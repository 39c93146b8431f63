"""What can be recorded: every type of event with its sentence and the only fields that its data may hold.

A sentence is filled from the payload: {who}, {what} ("restore of savings (production)", or the title of a change),
{database}, {object} and {reason}. An app adds its own types with `add`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class EventType:
    """One type; a name that ends in `.` is a family (`denied.` stands for `denied.page`).

    `moves`: it tells a new state of its operation, in the field `to`. `by` names the field of the data that chooses
    among `variants` of the sentence.
    """

    name: str
    sentence: str
    fields: frozenset[str] = frozenset()
    moves: bool = False
    by: str = ""
    variants: Mapping[str, str] = field(default_factory=dict)


_TYPES: dict[str, EventType] = {}


def event(name: str, sentence: str, fields: str = "", *, by: str = "", **variants: str) -> EventType:
    """A type whose data may hold `fields` (names with spaces between them)."""
    return EventType(name, sentence, frozenset(fields.split()), by=by, variants=variants)


def move(name: str, sentence: str, fields: str = "", *, by: str = "", **variants: str) -> EventType:
    """A type that tells a new state of its operation."""
    held = frozenset(f"from to fence {fields}".split())
    return EventType(name, sentence, held, moves=True, by=by, variants=variants)


def add(types: Iterable[EventType]) -> None:
    """Add types to the table. Raises TypeError for a duplicate."""
    for entry in types:
        if entry.name in _TYPES:
            raise TypeError(f"the event type {entry.name} is listed twice")
        _TYPES[entry.name] = entry


def find(name: str) -> EventType | None:
    """The entry of a type, else of its family, else None."""
    return _TYPES.get(name) or _TYPES.get(name.partition(".")[0] + ".")


def every() -> list[EventType]:
    """All entries by name."""
    return [_TYPES[name] for name in sorted(_TYPES)]
