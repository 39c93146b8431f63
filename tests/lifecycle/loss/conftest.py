"""A shop with a backup, and what its loss preview says: engines, formats and a store are enough, without a console."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lifecycle import loss
from lifecycle.backups import archives
from lifecycle.backups.manifest import Manifest, rfc3339
from lifecycle.formats import formats_for
from lifecycle.formats.base import Archive
from opsconsole.engines import ENGINES
from opsconsole.engines.base import Engine
from tests.support.fake_run import FakeRun
from tests.support.shops import PostgresShop, SqliteShop

FOLDER = "backups/shop/1-1"


@dataclass
class Kept:
    """A shop as its engine reaches it, and the manifest of the backup that was taken of it."""

    shop: Any
    engine: Engine
    archive: Any = None
    manifest: Any = None

    def run(self, *statements: str) -> None:
        """Change the shop as its application would."""
        line: Any = sqlite3.connect(self.shop.path) if self.shop.engine == "sqlite" else psycopg.connect(self.shop.url)
        with line:
            for statement in statements:
                line.execute(statement)
        line.close()

    def preview(self, **limits: Any) -> loss.LossPreview:
        """What the shop would lose to the backup; `limits` differ from the usual ones."""
        return loss.of_backup(self.engine, self.archive, self.manifest, "backup 1", replace(loss.limits(), **limits))

    def table(self, name: str, **limits: Any) -> loss.TableLoss:
        """The preview's line of one table."""
        return next(table for table in self.preview(**limits).tables if table.noun == name)


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """The shop on each engine in turn."""
    if request.param == "sqlite":
        yield SqliteShop.make(tmp_path / "files")
        return
    server = request.getfixturevalue("postgres")
    made = PostgresShop.make(server)
    yield made
    server.drop_database(made.name)


@pytest.fixture
def keep(shop: Any, settings: Any, tmp_path: Path) -> Callable[..., Kept]:
    """Take a backup of the shop, changed by `statements` before, in the engine's format of that name."""
    settings.OPSCONSOLE_STORE = tmp_path / "store"
    (tmp_path / "work").mkdir()

    def kept(*statements: str, form: str = "native") -> Kept:
        vendor = ENGINES[shop.engine]
        made = Kept(shop, vendor(vendor.parse(shop.url, roots=[tmp_path / "files"])))
        made.run(*statements)
        made.archive = archive = Archive(store=archives.store(), folder=FOLDER, part="1.1")
        chosen = next(each for each in formats_for(shop.engine) if each.name == form)
        contents = chosen.write(made.engine, archive, FakeRun(workdir=tmp_path / "work"))
        made.manifest = manifest_of(made.engine, contents)
        return made

    return kept


def manifest_of(engine: Engine, contents: Any) -> Manifest:
    from datetime import UTC, datetime

    who, at = engine.identity(), rfc3339(datetime.now(UTC))
    return Manifest(
        backup=FOLDER, operation_id=1, fence=1, console="c1", database="shop", environment="production",
        target_identity=who.key, target_incarnation=who.incarnation, engine=engine.name,
        server_version=who.server_version, version_number=who.version_number, started_at=at, finished_at=at,
        contents=contents, verified_at=at,
    )  # fmt: skip
