"""Restores of SQLite files that go well, and what remains afterwards."""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lifecycle.formats.base import Archive
from opsconsole.engines.labels import Label
from opsconsole.engines.sqlite import connections, copying
from opsconsole.engines.sqlite import files as finding
from tests.lifecycle.sqlite.steps import FORMAT, restore, unpacked
from tests.support import sqlite_files as files
from tests.support.fake_run import FakeRun


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_restore_brings_back_what_was_backed_up(folder: Path, archive: Archive, run: FakeRun, mode: str) -> None:
    live = files.plain(folder / "live.db", mode=mode)
    before = files.rows(live, "SELECT * FROM people"), files.engine(live).schema_fingerprint()
    contents = FORMAT.write(files.engine(live), archive, run)
    files.run_sql(live, "DELETE FROM pets", "DELETE FROM people WHERE id % 2", "DROP VIEW owners", "CREATE TABLE m (a)")
    restore(live, archive, contents, run)
    assert (files.rows(live, "SELECT * FROM people"), files.engine(live).schema_fingerprint()) == before
    assert files.integrity(live) == ["ok"]
    assert files.rows(live, "PRAGMA journal_mode") == [(mode,)]
    assert run.calls == ["recheck", "before_commit", "after_commit"]


def test_a_restore_keeps_the_identity_of_the_file(folder: Path, archive: Archive, run: FakeRun) -> None:
    live = files.plain(folder / "live.db")
    before = files.engine(live).identity()
    restore(live, archive, FORMAT.write(files.engine(live), archive, run), run)
    assert files.engine(live).identity() == dataclasses.replace(before, details=files.engine(live).identity().details)


def test_a_restore_leaves_nothing_beside_the_database(folder: Path, archive: Archive, run: FakeRun) -> None:
    live = files.plain(folder / "live.db")
    restore(live, archive, FORMAT.write(files.engine(live), archive, run), run)
    assert [path.name for path in folder.iterdir()] == ["live.db"]
    assert files.engine(live).leftovers() == []


def test_programs_that_have_it_open_see_the_new_content(folder: Path, archive: Archive, run: FakeRun) -> None:
    live = files.plain(folder / "live.db", mode="wal")
    contents = FORMAT.write(files.engine(live), archive, run)
    with closing(sqlite3.connect(live, isolation_level=None)) as app:
        app.execute("DELETE FROM pets")
        restore(live, archive, contents, run)
        assert app.execute("SELECT count(*) FROM pets").fetchone() == (100,)


def test_a_large_database_can_be_replaced_by_a_small_one(folder: Path, archive: Archive, run: FakeRun) -> None:
    small, live = files.plain(folder / "small.db", people=3, word="new"), files.plain(folder / "live.db", people=3000)
    restore(live, archive, FORMAT.write(files.engine(small), archive, run), run)
    assert (files.words(live), files.integrity(live)) == ({"new"}, ["ok"])


def test_an_empty_database_survives_its_journey(folder: Path, archive: Archive, run: FakeRun) -> None:
    live = folder / "live.db"
    live.touch()
    contents = FORMAT.write(files.engine(live), archive, run)
    FORMAT.read_through(archive, contents, run)
    restore(live, archive, contents, run)
    assert files.engine(live).tables() == []


class TestD1:
    def test_the_tables_of_the_runtime_are_in_no_backup(self, folder: Path, archive: Archive, run: FakeRun) -> None:
        live = files.d1(folder / "live.sqlite")
        contents = FORMAT.write(files.engine(live), archive, run)
        copy = unpacked(archive, folder / "copy.db")
        assert {table.name for table in contents.tables} == {"d1_migrations", "users", "quests"}
        assert files.rows(copy, "SELECT name FROM sqlite_schema WHERE name LIKE '#_%' ESCAPE '#'") == []
        assert b"bookmark" not in copy.read_bytes()
        assert contents.source["flavour"] == "d1"

    @pytest.mark.parametrize("mode", ["delete", "wal"])
    def test_they_survive_a_restore(self, folder: Path, archive: Archive, run: FakeRun, mode: str) -> None:
        live = files.d1(folder / "live.sqlite", mode=mode)
        contents = FORMAT.write(files.engine(live), archive, run)
        files.run_sql(live, "UPDATE _cf_METADATA SET value = x'ff00'", "DELETE FROM users", "DELETE FROM _cf_KV")
        restore(live, archive, contents, run)
        assert files.rows(live, "SELECT * FROM _cf_METADATA") == [(2, b"\xff\x00")]
        assert files.rows(live, "SELECT count(*) FROM _cf_KV UNION ALL SELECT count(*) FROM users") == [(0,), (20,)]

    def test_what_the_runtime_writes_meanwhile_survives_too(self, folder: Path, archive: Archive, run: FakeRun) -> None:
        live = files.d1(folder / "live.sqlite")
        contents = FORMAT.write(files.engine(live), archive, run)
        engine = files.engine(live, label=run.label)
        wrote: list[int] = []

        def runtime(*_: object) -> None:
            if not wrote:
                wrote.append(1)
                files.run_sql(live, "INSERT INTO _cf_METADATA VALUES (3, 'late')")

        with engine.hold() as lock, pytest.MonkeyPatch.context() as patch:
            prepared = FORMAT.prepare(engine, archive, contents, run, method="swap")
            patch.setattr("opsconsole.engines.sqlite.copying._pin", _after(runtime))
            FORMAT.publish(engine, lock, archive, contents, prepared, run)
        assert files.rows(live, "SELECT value FROM _cf_METADATA") == [("bookmark",), ("late",)]

    def test_foreign_keys_are_on(self, folder: Path) -> None:
        engine = files.engine(files.d1(folder / "live.sqlite"))
        with engine.spot() as spot, connections.writing(spot, foreign_keys=engine.is_d1) as connection:
            assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


def _after(then: object):  # type: ignore[no-untyped-def]
    pin = copying._pin

    def both(connection: sqlite3.Connection) -> None:
        pin(connection)
        then()  # type: ignore[operator]

    return both


class TestWitness:
    def test_it_tells_that_a_restore_has_landed(self, folder: Path, archive: Archive, run: FakeRun) -> None:
        live = files.plain(folder / "live.db")
        restore(live, archive, FORMAT.write(files.engine(live), archive, run), run)
        assert FORMAT.landed(files.engine(live), run.witness) is True

    def test_it_tells_that_another_one_has_not(self, folder: Path, archive: Archive, run: FakeRun) -> None:
        live = files.plain(folder / "live.db")
        restore(live, archive, FORMAT.write(files.engine(live), archive, run), run)
        assert FORMAT.landed(files.engine(live), {**run.witness, "token": "other"}) is False
        assert FORMAT.landed(files.engine(live), {}) is False

    def test_it_cannot_tell_of_another_file(self, folder: Path, archive: Archive, run: FakeRun) -> None:
        live = files.plain(folder / "live.db")
        restore(live, archive, FORMAT.write(files.engine(live), archive, run), run)
        live.rename(folder / "away.db")
        assert FORMAT.landed(files.engine(live), run.witness) is None
        files.plain(live)
        assert FORMAT.landed(files.engine(live), run.witness) is None


class TestCleaningUp:
    def test_it_removes_the_files_of_one_operation_up_to_a_fence(self, folder: Path) -> None:
        live = files.plain(folder / "live.db")
        us, them = (finding.staging_name("live.db", Label(f"opsconsole/{who}", 7, 1)) for who in ("us", "them"))
        mine = [us, us.replace("7.1", "7.2") + "-journal"]
        others = [us.replace("7.1", "7.3"), us.replace("7.1", "77.1"), us.replace("live.db", "live.db2"), them]
        others.append("live.db.opsconsole-7.1.staging")  # of the first version, whose names told no console
        for name in (*mine, *others):
            (folder / name).touch()
        FORMAT.clean_up(files.engine(live, label="opsconsole/us/7/3"), 7, 2)
        assert sorted(path.name for path in folder.iterdir()) == sorted(["live.db", *others])

    def test_it_leaves_a_lock_that_is_held(self, folder: Path) -> None:
        live = files.plain(folder / "live.db")
        with files.engine(live, label="opsconsole/7/2").hold():
            FORMAT.clean_up(files.engine(live), 7, 2)
            assert (folder / "live.db.opsconsole-lock").exists()
