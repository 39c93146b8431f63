"""A shop with a backup, and what its loss preview says."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest

from tests.support.cases import work
from tests.support.console import Console


@dataclass
class Kept:
    """A shop (its row: `database`) of which a backup was taken."""

    shop: Any
    database: Any
    backup: Any

    def run(self, *statements: str) -> None:
        """Change the shop as its application would."""
        if self.shop.engine == "sqlite":
            line: Any = sqlite3.connect(self.shop.path)
        else:
            line = psycopg.connect(self.shop.url)
        with line:
            for statement in statements:
                line.execute(statement)
        line.close()

    def preview(self, **limits: Any) -> Any:
        """What the shop would lose to the backup; `limits` differ from the usual ones."""
        from lifecycle import archives, loss
        from opsconsole.databases import engine_for

        within = replace(loss.limits(), **limits)
        return loss.of_backup(engine_for(self.database), archives.manifest_of(self.backup), "backup 1", within)

    def table(self, name: str, **limits: Any) -> Any:
        """The preview's line of one table."""
        return next(table for table in self.preview(**limits).tables if table.noun == name)


@pytest.fixture
def keep(console: Console, cast: Any) -> Callable[[Any], Kept]:
    """Take a backup of a registered shop, changed by `statements` before."""

    def kept(any_shop: Any, *statements: str) -> Kept:
        from lifecycle.models import Backup
        from opsconsole import operations

        shop, database = any_shop
        made = Kept(shop, database, None)
        made.run(*statements)
        done = work(console, operations.request("backup", database, {}, account=cast.ada))
        assert done.state == "succeeded", done.failure_why
        made.backup = Backup.objects.get(operation=done)
        return made

    return kept
