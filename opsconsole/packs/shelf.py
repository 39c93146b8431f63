"""The packs that come with this release: the files of the folder `data`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from opsconsole.exceptions import Usage
from opsconsole.packs.values import Pack, read

DATA = Path(__file__).with_name("data")


def every() -> list[Pack]:
    """All packs by name."""
    return [pack for _, pack in sorted(_shelf().items())]


def get(name: str) -> Pack:
    """The pack of that name. Raises Usage with the list of what there is."""
    if name not in _shelf():
        raise Usage("unknown_pack", f"There is no pack called {name}.", f"There are: {', '.join(sorted(_shelf()))}.")
    return _shelf()[name]


@cache
def _shelf() -> dict[str, Pack]:
    """Raises TypeError for a file that holds the pack of another one's name: a release with it must not start."""
    packs = {}
    for path in sorted(DATA.glob("*.toml")):
        pack = read(path.read_text(encoding="utf-8"))
        if pack.name != path.stem:
            raise TypeError(f"{path.name} holds a pack called {pack.name}")
        packs[pack.name] = pack
    return packs
