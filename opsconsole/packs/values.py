"""A pack as a value, read from the TOML file that it is."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsconsole.exceptions import Refused, Usage

FORMAT = 1
ENGINES = frozenset({"postgresql", "sqlite"})
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}\Z")
_HEAD = {"format": int, "name": str, "version": int, "title": str, "about": str, "engines": list}


@dataclass(frozen=True, kw_only=True)
class Pack:
    """What one project needs. `sections` are as the file has them; the app that registered one knows its meaning."""

    name: str
    version: int
    title: str
    about: str
    engines: tuple[str, ...]
    sections: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Name and version, as what came from it carries them: "avdaily 1"."""
        return f"{self.name} {self.version}"


def read(text: str) -> Pack:
    """The pack of a file. Raises Usage for a file that is none, Refused for one of a newer format."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Usage("bad_pack", f"The pack is not readable as TOML: {error}.") from None
    if isinstance(found.get("format"), int) and found["format"] > FORMAT:
        raise Refused(
            "newer_pack",
            f"The pack is of format {found['format']}; this console reads formats up to {FORMAT}.",
            "Use a newer release of the console, or an older version of the pack.",
        )
    for member, kind in _HEAD.items():
        if type(found.get(member)) is not kind:
            raise Usage("bad_pack", f"The pack's {member} is missing, or is no {kind.__name__}.")
    if not _NAME.match(found["name"]) or found["version"] < 1:
        raise Usage("bad_pack", "A pack's name is a short word of small letters, its version a number from 1.")
    if not found["engines"] or not ENGINES.issuperset(found["engines"]):
        raise Usage("bad_pack", f"A pack's engines are some of: {', '.join(sorted(ENGINES))}.")
    if not set(found) - set(_HEAD):
        raise Usage("bad_pack", "The pack has no sections, so there is nothing to load.")
    return Pack(
        name=found["name"],
        version=found["version"],
        title=found["title"],
        about=found["about"].strip(),
        engines=tuple(found["engines"]),
        sections={name: value for name, value in found.items() if name not in _HEAD},
    )


def label_parts(label: str) -> tuple[str, int]:
    """Name and version of a label; ("", 0) for what is none."""
    name, _, version = label.rpartition(" ")
    return (name, int(version)) if name and version.isdigit() else ("", 0)
