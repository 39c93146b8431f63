"""Restores of SQLite files that are refused, or that stop without an effect."""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lifecycle.formats.base import Archive, Contents
from opsconsole.exceptions import Cancelled, Moved, Refused, Stale, TargetProblem
from tests.lifecycle.sqlite.steps import FORMAT, restore
from tests.support import sqlite_files as files
from tests.support.fake_run import FakeRun


class TestRefusals:
    def codes(self, live: Path, contents: Contents, *, overwrite: bool = False, method: str = "swap") -> list[str]:
        return [r[0] for r in FORMAT.refusals(files.engine(live), contents, method=method, overwrite=overwrite)]

    def test_a_backup_of_itself_needs_no_leave(self, folder: Path, archive: Archive, run: FakeRun) -> None:
        live = files.plain(folder / "live.db")
        assert self.codes(live, FORMAT.write(files.engine(live), archive, run)) == []

    def test_another_filled_database_needs_leave(self, folder: Path, archive: Archive, run: FakeRun) -> None:
        contents = FORMAT.write(files.engine(files.plain(folder / "a.db")), archive, run)
        other = files.plain(folder / "b.db")
        assert self.codes(other, contents) == ["not_empty"]
        assert self.codes(other, contents, overwrite=True) == []

    def test_another_empty_database_needs_none(self, folder: Path, archive: Archive, run: FakeRun) -> None:
        contents = FORMAT.write(files.engine(files.plain(folder / "a.db")), archive, run)
        files.run_sql(folder / "b.db", "CREATE TABLE people (id)")
        assert self.codes(folder / "b.db", contents) == []

    def test_in_place_is_not_a_way(self, folder: Path, archive: Archive, run: FakeRun) -> None:
        live = files.plain(folder / "live.db")
        contents = FORMAT.write(files.engine(live), archive, run)
        assert self.codes(live, contents, method="in_place") == ["method"]
        with pytest.raises(Refused) as refused:
            FORMAT.prepare(files.engine(live), archive, contents, run, method="in_place")
        assert refused.value.code == "method"

    def test_another_page_size_is_refused_in_wal_mode_only(self, folder: Path, archive: Archive, run: FakeRun) -> None:
        contents = FORMAT.write(files.engine(files.plain(folder / "a.db", page_size=8192)), archive, run)
        wal, delete = files.plain(folder / "b.db", mode="wal"), files.plain(folder / "c.db", word="other")
        assert self.codes(wal, contents, overwrite=True) == ["page_size"]
        assert self.codes(delete, contents, overwrite=True) == []
        restore(delete, archive, contents, run)
        assert (files.words(delete), files.integrity(delete)) == ({"old"}, ["ok"])

    def test_a_newer_version_of_sqlite_is_refused(self, folder: Path, archive: Archive, run: FakeRun) -> None:
        live = files.plain(folder / "live.db")
        contents = FORMAT.write(files.engine(live), archive, run)
        newer = dataclasses.replace(contents, source={**contents.source, "version_number": 4_000_000})
        assert self.codes(live, newer) == ["version"]

    def test_too_little_space_is_refused(self, folder: Path, archive: Archive, run: FakeRun) -> None:
        live = files.plain(folder / "live.db")
        contents = FORMAT.write(files.engine(live), archive, run)
        huge = dataclasses.replace(contents.objects[0], plain_size=1 << 60)
        assert self.codes(live, dataclasses.replace(contents, objects=(huge,))) == ["not_enough_space"]

    def test_a_backup_of_another_engine_is_refused(self, folder: Path, archive: Archive, run: FakeRun) -> None:
        live = files.plain(folder / "live.db")
        contents = FORMAT.write(files.engine(live), archive, run)
        foreign = dataclasses.replace(contents, source={"engine": "postgresql"})
        assert self.codes(live, foreign) == ["wrong_engine"]


class TestRestoresThatStop:
    @pytest.fixture
    def taken(self, folder: Path, archive: Archive, run: FakeRun) -> Contents:
        live = files.plain(folder / "live.db", word="new")
        contents = FORMAT.write(files.engine(live), archive, run)
        live.unlink()
        files.plain(live, word="old")
        return contents

    def assert_untouched(self, folder: Path, run: FakeRun) -> None:
        assert files.words(folder / "live.db") == {"old"}
        assert files.integrity(folder / "live.db") == ["ok"]
        assert [path.name for path in folder.iterdir()] == ["live.db"]
        assert "after_commit" not in run.calls

    def test_a_moved_precondition_changes_nothing(
        self, folder: Path, archive: Archive, taken: Contents, run: FakeRun
    ) -> None:
        def moved() -> None:
            raise Stale([Moved("schema", "a", "b")])

        run.on_recheck = moved
        with pytest.raises(Stale):
            restore(folder / "live.db", archive, taken, run)
        self.assert_untouched(folder, run)

    @pytest.mark.parametrize("mode", ["delete", "wal"])
    def test_preconditions_can_be_read_while_nobody_else_may_write(
        self, folder: Path, archive: Archive, taken: Contents, run: FakeRun, mode: str
    ) -> None:
        live = folder / "live.db"
        files.run_sql(live, f"PRAGMA journal_mode={mode}")
        before = files.engine(live).schema_fingerprint()
        seen: list[object] = []

        def read() -> None:
            engine = files.engine(live)
            seen.append((engine.schema_fingerprint(), [table.rows for table in engine.tables(exact=True)]))
            with pytest.raises(sqlite3.OperationalError), closing(sqlite3.connect(live, timeout=0.1)) as other:
                other.execute("DELETE FROM pets")

        run.on_recheck = read
        restore(live, archive, taken, run)
        assert seen == [(before, [100, 100, 2])]
        assert files.words(live) == {"new"}

    def test_a_cancellation_changes_nothing(
        self, folder: Path, archive: Archive, taken: Contents, run: FakeRun
    ) -> None:
        run.on_recheck = lambda: setattr(run, "cancel", True)
        with pytest.raises(Cancelled):
            restore(folder / "live.db", archive, taken, run)
        self.assert_untouched(folder, run)

    @pytest.mark.parametrize("mode", ["delete", "wal"])
    def test_a_writer_that_keeps_the_database_is_waited_for_and_then_named(
        self, folder: Path, archive: Archive, taken: Contents, run: FakeRun, mode: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        live = folder / "live.db"
        files.run_sql(live, f"PRAGMA journal_mode={mode}")
        monkeypatch.setattr("opsconsole.engines.sqlite.copying.replace.__kwdefaults__", {"wait_seconds": 0.5})
        with closing(sqlite3.connect(live, isolation_level=None)) as app:
            app.execute("BEGIN IMMEDIATE")
            with pytest.raises(TargetProblem) as refused:
                restore(live, archive, taken, run)
        assert refused.value.code == "locked"
        self.assert_untouched(folder, run)

    def test_a_reader_in_rollback_mode_keeps_it_too(
        self, folder: Path, archive: Archive, taken: Contents, run: FakeRun, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("opsconsole.engines.sqlite.copying.replace.__kwdefaults__", {"wait_seconds": 0.5})
        with closing(sqlite3.connect(folder / "live.db", isolation_level=None)) as app:
            app.execute("BEGIN")
            app.execute("SELECT * FROM people").fetchone()
            with pytest.raises(TargetProblem) as refused:
                restore(folder / "live.db", archive, taken, run)
        assert refused.value.code == "locked"
        self.assert_untouched(folder, run)

    def test_a_reader_in_wal_mode_keeps_its_old_view(
        self, folder: Path, archive: Archive, taken: Contents, run: FakeRun
    ) -> None:
        live = folder / "live.db"
        files.run_sql(live, "PRAGMA journal_mode=wal")
        with closing(sqlite3.connect(live, isolation_level=None)) as app:
            app.execute("BEGIN")
            before = app.execute("SELECT name FROM people").fetchall()
            restore(live, archive, taken, run)
            assert app.execute("SELECT name FROM people").fetchall() == before
            app.execute("COMMIT")
            assert app.execute("SELECT name FROM people LIMIT 1").fetchone() == ("new 0",)

    def test_a_staging_file_that_was_exchanged_is_not_touched(
        self, folder: Path, archive: Archive, taken: Contents, run: FakeRun
    ) -> None:
        victim = files.plain(folder / "victim.db", word="victim")
        engine = files.engine(folder / "live.db", label=run.label)
        with engine.hold() as lock:
            prepared = FORMAT.prepare(engine, archive, taken, run, method="swap")
            (folder / prepared.name).unlink()
            (folder / prepared.name).symlink_to(victim)
            with pytest.raises(TargetProblem):
                FORMAT.publish(engine, lock, archive, taken, prepared, run)
        victim.unlink()
        self.assert_untouched(folder, run)
