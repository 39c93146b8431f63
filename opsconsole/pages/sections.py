"""Sections of a database's overview, as a table that apps add to. The kernel knows none of theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from opsconsole.models import Database


@dataclass(frozen=True, kw_only=True)
class Section:
    """One card below the posture. `content` reads what its template shows as `content`; None leaves it out."""

    name: str
    order: int
    template: str
    content: Callable[[HttpRequest, Database], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Filled:
    """A section with what it shows of one database."""

    template: str
    content: Mapping[str, Any]


_REGISTRY: dict[str, Section] = {}


def register_section(section: Section) -> None:
    """Add a section. Raises TypeError for a duplicate or something that is no section."""
    if not isinstance(section, Section):
        raise TypeError(f"{section!r} is not a Section")
    if section.name in _REGISTRY:
        raise TypeError(f"the section {section.name} is registered twice")
    _REGISTRY[section.name] = section


def sections_of(request: HttpRequest, database: Database) -> list[Filled]:
    """All that have something to show, in order."""
    ordered = sorted(_REGISTRY.values(), key=lambda section: (section.order, section.name))
    filled = [(section, section.content(request, database)) for section in ordered]
    return [Filled(section.template, content) for section, content in filled if content is not None]
