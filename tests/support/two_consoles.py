"""Two consoles with homes and databases of their own, whose operations carry the same numbers and fences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.console import Console, Template, fresh_console, point_console_at
from tests.support.people import Cast, assemble


@dataclass
class Pair:
    """`at(console)` makes this process part of one of them; both keep SQLite databases of their own."""

    first: Console
    second: Console
    settings: Any
    casts: dict[Path, Cast] = field(default_factory=dict)

    @contextmanager
    def at(self, console: Console) -> Iterator[Cast]:
        """Work in one console: its rows, home, store and roots; gives its people."""
        before = self.settings.OPSCONSOLE_HOME
        self._enter(console.home)
        try:
            yield self.casts[console.home]
        finally:
            self._enter(before)

    def _enter(self, home: Path) -> None:
        self.settings.OPSCONSOLE_HOME, self.settings.OPSCONSOLE_STORE = home, home / "store"
        point_console_at({"ENGINE": "django.db.backends.sqlite3", "NAME": str(home / "console.sqlite3")})


@contextmanager
def two_consoles(template: Template, folder: Path, settings: Any, roots: list[Path]) -> Iterator[Pair]:
    """Both consoles allow SQLite targets and sockets below the same `roots`."""
    with (
        fresh_console(template, folder / "first", settings) as first,
        fresh_console(template, folder / "second", settings) as second,
    ):
        pair = Pair(first, second, settings)
        settings.OPSCONSOLE_ROOTS = roots
        for console in (first, second):
            console.env["OPSCONSOLE_ROOTS"] = ":".join(map(str, roots))
            pair._enter(console.home)
            pair.casts[console.home] = assemble()
        yield pair
