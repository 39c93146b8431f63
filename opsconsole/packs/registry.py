"""Which sections a pack may have: apps register them with what they do with them. The kernel knows none itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from opsconsole.exceptions import Refused
from opsconsole.models import Database
from opsconsole.packs.values import Pack

Lines = tuple[tuple[str, str], ...]  # (name, what it says) of each thing in a section


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of a pack. `check` raises Usage for content that makes no sense; `lines` tell it to people."""

    name: str
    label: str
    check: Callable[[Pack], None]
    lines: Callable[[Pack], Lines]


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What loading a pack into a database would do, by names; `parameters` are those of the change that does it.

    `same` are there already in the same words, and get the version at most. `kept` stay as people left them: changed
    or removed since they came from the pack, or of that name before it came. `unfit` says of those that do not fit the
    database as it is, why; nothing keeps them from being loaded.
    """

    parameters: Mapping[str, Any]
    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    unfit: tuple[tuple[str, str], ...] = ()
    changes: bool = True


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a database has of a pack: the newest version that something came from, and what people changed since."""

    pack: str
    version: int
    things: int
    edited: tuple[str, ...] = ()


class Loader(ABC):
    """What an app does with its sections: one guarded change, in which all of them come or none."""

    action: ClassVar[str]  # the change
    sections: ClassVar[tuple[Section, ...]]

    @abstractmethod
    def outlook(self, pack: Pack, database: Database, *, over_edits: bool) -> Outlook:
        """What loading would do; with `over_edits`, what people changed is replaced too. Raises Usage."""

    @abstractmethod
    def loaded(self, databases: Sequence[Database]) -> Mapping[int, tuple[Loaded, ...]]:
        """What each database has of packs, by its id."""


_LOADERS: list[Loader] = []


def register_loader(loader: Loader) -> None:
    """Add an app's loader. Raises TypeError when one of its sections is registered already."""
    for section in loader.sections:
        if section.name in _sections():
            raise TypeError(f"the section {section.name} of packs is registered twice")
    _LOADERS.append(loader)


def loaders() -> tuple[Loader, ...]:
    """Every loader, in the order in which they were registered."""
    return tuple(_LOADERS)


def contents(pack: Pack) -> list[tuple[Section, Lines]]:
    """What the pack holds by section. Raises Refused for a section that nobody knows, Usage for one that is wrong."""
    known = _sections()
    for name in pack.sections:
        if name not in known:
            raise Refused(
                "unknown_section",
                f"The pack {pack.label} has a section called {name}, which this console does not know. Loading the"
                " rest would leave out what it says.",
                "Use a newer release of the console, or an older version of the pack.",
            )
    held = [section for section in known.values() if section.name in pack.sections]
    for section in held:
        section.check(pack)
    return [(section, section.lines(pack)) for section in held]


def _sections() -> dict[str, Section]:
    return {section.name: section for loader in _LOADERS for section in loader.sections}
