"""A shop, and folders of migrations that are brought to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lifecycle.migrating import folders
from lifecycle.models import MigrationFolder
from lifecycle.sources.base import Folder
from opsconsole import operations
from tests.support.cases import work
from tests.support.console import Console


class Scene:
    """One database that Ada asks to migrate. `bring` adds files to its folder; what was brought before stays in it."""

    def __init__(self, console: Console, cast: Any, shop: Any, row: Any) -> None:
        self.console, self.cast, self.shop, self.row = console, cast, shop, row
        self.files: dict[str, bytes] = {}
        self.tool = "wrangler" if shop.engine == "sqlite" else "plain"

    def bring(self, texts: Mapping[str, str]) -> None:
        self.files |= {path: text.encode() for path, text in texts.items()}
        folder = Folder(name="migrations", files=dict(self.files))
        folders.keep(self.row, self.cast.ada, folder, MigrationFolder.Way.UPLOAD)

    def plan(self, kind: str = "migrate", **settings: str) -> Any:
        return operations.draft(kind, self.row, {"tool": self.tool} | settings, account=self.cast.ada)

    def ask(self, kind: str = "migrate", **settings: str) -> Any:
        """Without a safety backup, unless it is asked for: most tests look at something else."""
        given = {"backup": "no", "tool": self.tool} | settings
        return operations.request(kind, self.row, given, account=self.cast.ada, confirm=self.row.name)

    def do(self, kind: str = "migrate", **settings: str) -> Any:
        return work(self.console, self.ask(kind, **settings))


@pytest.fixture
def on_sqlite(console: Console, cast: Any, sqlite_shop: Any) -> Scene:
    return Scene(console, cast, *sqlite_shop)


@pytest.fixture
def on_postgres(console: Console, cast: Any, postgres_shop: Any) -> Scene:
    return Scene(console, cast, *postgres_shop)


@pytest.fixture
def scene_on(request: pytest.FixtureRequest) -> Callable[[str], Scene]:
    """The scene of an engine by its name."""
    return lambda engine: request.getfixturevalue("on_sqlite" if engine == "sqlite" else "on_postgres")
