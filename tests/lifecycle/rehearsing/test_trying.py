"""A whole rehearsal on a copy of the live database, which is only read; and what may not run beside it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from lifecycle.proving.drills import OWN, SAME_SERVER
from lifecycle.rehearsing import places, reach, trying
from lifecycle.rehearsing.copies import Origin
from lifecycle.rehearsing.trying import Report, Trial, report_from
from opsconsole.databases import engine_for
from opsconsole.embedded.postgresql import folder_for
from opsconsole.engines import open_engine
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Refused
from opsconsole.instance import session_label
from opsconsole.models import Database
from tests.lifecycle.rehearsing.test_recording import PEOPLE, REBUILD, unit
from tests.support.fake_run import FakeRun
from tests.support.sqlite_files import run_sql


@dataclass
class CopyRun(FakeRun):
    """A run on one registered database."""

    row: Database | None = None

    def database(self, role: str = "target") -> Database:
        assert self.row is not None
        return self.row

    def engine(self, role: str = "target") -> Engine:
        return open_engine(engine_for(self.database()).address, session_label(self.operation_id, self.fence))


@pytest.fixture(autouse=True)
def no_programs_left(console: Any) -> Iterator[None]:
    yield
    shutil.rmtree(folder_for(settings.OPSCONSOLE_HOME), ignore_errors=True)


def rehearse(row: Database, tmp_path: Path, where: str, trial: Trial, *, fresh: bool = False) -> Report:
    workdir = tmp_path / "work"
    workdir.mkdir(mode=0o700)
    run = CopyRun(workdir=workdir, row=row)
    report = (trying.from_nothing if fresh else trying.rehearse)(run, trial, Origin(backup=None), where)  # type: ignore[arg-type]
    assert report_from(report.to_json()) == report
    shutil.rmtree(workdir)
    return report


@pytest.mark.parametrize("where", [SAME_SERVER, OWN])
def test_the_live_database_is_only_read_and_nothing_is_left(postgres_shop: Any, tmp_path: Path, where: str) -> None:
    shop, row = postgres_shop
    shop.server.run(f'ALTER DATABASE "{shop.name}" SET search_path = app, public')
    shop.server.run("CREATE SCHEMA app", shop.name)
    trial = Trial(units=[unit("CREATE TABLE extra (id int); DELETE FROM orders WHERE id > 150;")])
    report = rehearse(row, tmp_path, where, trial)
    assert (report.main, report.recording.lost_rows, report.held) == ("postgresql", 50, True)
    assert "relation app.extra" in [change.name for change in report.recording.changes]
    assert (shop.orders(), shop.leftovers()) == (200, [])
    assert not list(folder_for(settings.OPSCONSOLE_HOME).glob("drill-*"))


def test_sqlite_is_tried_as_sqlite_and_as_d1_and_the_difference_is_told(sqlite_shop: Any, tmp_path: Path) -> None:
    shop, row = sqlite_shop
    run_sql(shop.path, *filter(None, PEOPLE.split(";")))
    report = rehearse(row, tmp_path, OWN, Trial(units=[unit(REBUILD, transaction=False)], d1=True))
    assert [each.flavour for each in report.recordings] == ["sqlite", "d1"]
    (told,) = report.differences
    assert told == "as SQLite messages: 3 rows, proven untouched; as D1 messages: 3 → 0, not named in the SQL"
    assert (report.main, report.held, report.recording.lost_rows) == ("d1", False, 3)
    assert (shop.orders(), shop.leftovers()) == (200, [])


def test_a_folder_that_builds_another_schema_is_told_of(sqlite_shop: Any, tmp_path: Path) -> None:
    _, row = sqlite_shop
    text = ";".join(line for line in shop_schema(row) if "idx" not in line) + ";"
    pending = unit("CREATE TABLE extra (id INTEGER PRIMARY KEY);")
    trial = Trial(units=[pending], all_units=[unit(text), pending], seed="INSERT INTO extra VALUES (1);")
    report = rehearse(row, tmp_path, OWN, trial, fresh=True)
    assert report.fresh is not None and report.drift is not None
    assert next(table.after for table in report.fresh.tables if table.name == "extra") == 1
    indexes = [name for name in engine_for(row).definitions() if name.startswith("index ")]
    assert [change.name for change in report.drift.changes] == indexes
    assert "differs from the live one" in report.verdict or not indexes
    broken = rehearse(row, tmp_path, OWN, Trial(units=[], all_units=[unit("SELECT 1;\nnonsense;")]), fresh=True)
    assert broken.fresh and broken.fresh.failure and broken.fresh.failure.line == 2
    assert not broken.held and "from nothing" in broken.verdict and "nonsense" in broken.verdict
    assert broken.summary.startswith("It fails in 0001_step, line 2;") and "nonsense" not in broken.summary


def shop_schema(row: Database) -> list[str]:
    with engine_for(row).script(read_only=True) as script:
        return [sql for (sql,) in script.ask("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")]


@pytest.mark.parametrize(
    ("text", "beside"),
    [
        ('CREATE TABLE "user" (id int); ALTER TABLE "user" ADD role text; INSERT INTO "user" VALUES (1);', True),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a); COMMENT ON COLUMN t.a IS 'x'", True),
        ("CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\"; SET lock_timeout = '1s'", True),
        ("DROP DATABASE shop", False),
        ("ALTER ROLE me PASSWORD 'x'", False),
        ("/* a */ ALTER /* b */ USER me PASSWORD 'x'", False),
        ("DO $$ BEGIN EXECUTE 'DROP ' || 'ROLE x'; END $$", False),
        ("SELECT pg_terminate_backend(1)", False),
        ("SELECT U&\"\\0070g_terminate_backend\"(1)", False),
        ("COPY t TO PROGRAM 'sh'", False),
        ("SELECT lo_export(1, '/tmp/x')", False),
        ("CREATE EXTENSION dblink", False),
        ("CREATE SCHEMA citext; CREATE EXTENSION dblink SCHEMA citext", False),
        ("COMMENT ON DATABASE shop IS 'x'", False),
        ("GRANT boss TO me", False),
        ("WITH x AS (SELECT 1) SELECT 'never ends", False),
    ],
)  # fmt: skip
def test_only_what_is_known_to_stay_within_its_database_is_tried_beside_the_live_one(text: str, beside: bool) -> None:
    assert (reach.beyond([text]) == "") is beside


def test_a_copy_is_not_made_of_a_large_live_database(sqlite_shop: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(places, "LIVE_BYTES", 100)
    with pytest.raises(Refused, match="up to 0 MiB are copied"):
        places.origin_of(sqlite_shop[1], engine_for(sqlite_shop[1]), places.LIVE, "latest", "")
