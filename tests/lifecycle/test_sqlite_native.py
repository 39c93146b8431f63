"""Backups of SQLite files, and restores of them, on real files."""

from __future__ import annotations

import dataclasses
import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from backports import zstd

from lifecycle.formats.base import Archive, Contents
from lifecycle.formats.sqlite_native import OBJECT, SqliteNative
from opsconsole.exceptions import Cancelled, Moved, OperationFailed, Refused, Stale, TargetProblem
from opsconsole.storage import FolderStore
from tests.support import sqlite_files as files
from tests.support.fake_run import FakeRun

FORMAT = SqliteNative()


@pytest.fixture
def run(tmp_path: Path) -> FakeRun:
    (tmp_path / "work").mkdir()
    return FakeRun(operation_id=7, fence=2, workdir=tmp_path / "work")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(store=FolderStore(tmp_path / "store"), folder="backups/x/7", part="7.2")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "files"
    path.mkdir()
    yield path


def restore(path: Path, archive: Archive, contents: Contents, run: FakeRun) -> None:
    engine = files.engine(path, label=run.label)
    with engine.hold() as lock:
        prepared = FORMAT.prepare(engine, archive, contents, run, method="swap")
        FORMAT.publish(engine, lock, archive, contents, prepared, run)


def unpacked(archive: Archive, path: Path) -> Path:
    path.write_bytes(zstd.decompress(archive.store.open(archive.key(OBJECT)).read()))
    return path


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_backup_is_a_database_file_that_anyone_can_unpack(folder: Path, archive: Archive, run: FakeRun, mode: str) -> None:
    live = files.plain(folder / "live.db", mode=mode)
    contents = FORMAT.write(files.engine(live), archive, run)
    copy = unpacked(archive, folder / "copy.db")
    assert files.integrity(copy) == ["ok"]
    assert files.rows(copy, "SELECT * FROM people") == files.rows(live, "SELECT * FROM people")
    assert {table.name: table.rows for table in contents.tables} == {"people": 100, "pets": 100, "settings": 2}
    assert contents.source["journal_mode"] == mode
    assert list(run.workdir.iterdir()) == []


def test_the_hashes_are_those_of_the_bytes(folder: Path, archive: Archive, run: FakeRun) -> None:
    contents = FORMAT.write(files.engine(files.plain(folder / "live.db")), archive, run)
    stored = archive.store.open(archive.key(OBJECT)).read()
    plain = unpacked(archive, folder / "copy.db").read_bytes()
    (item,) = contents.objects
    assert (item.size, item.sha256) == (len(stored), "sha256:" + hashlib.sha256(stored).hexdigest())
    assert (item.plain_size, item.plain_sha256) == (len(plain), "sha256:" + hashlib.sha256(plain).hexdigest())
    assert item.chunks == (item.sha256,)


def test_rows_that_are_only_in_the_log_are_backed_up(folder: Path, archive: Archive, run: FakeRun) -> None:
    live = files.plain(folder / "live.db", mode="wal")
    with closing(sqlite3.connect(live)) as app:
        app.execute("INSERT INTO people (name) VALUES ('in the log')")
        app.commit()
        assert (folder / "live.db-wal").stat().st_size > 0
        contents = FORMAT.write(files.engine(live), archive, run)
    assert {t.name: t.rows for t in contents.tables}["people"] == 101


def test_rows_that_are_not_committed_are_not_backed_up(folder: Path, archive: Archive, run: FakeRun) -> None:
    live = files.plain(folder / "live.db", mode="wal")
    with closing(sqlite3.connect(live)) as app:
        app.execute("INSERT INTO people (name) VALUES ('not yet')")
        contents = FORMAT.write(files.engine(live), archive, run)
    assert {t.name: t.rows for t in contents.tables}["people"] == 100


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_restore_brings_back_what_was_backed_up(folder: Path, archive: Archive, run: FakeRun, mode: str) -> None:
    live = files.plain(folder / "live.db", mode=mode)
    before = files.rows(live, "SELECT * FROM people"), files.engine(live).schema_fingerprint()
    contents = FORMAT.write(files.engine(live), archive, run)
    files.run_sql(live, "DELETE FROM pets", "DELETE FROM people WHERE id % 2", "DROP VIEW owners", "CREATE TABLE more (a)")
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
        from opsconsole.engines.sqlite import connections

        engine = files.engine(files.d1(folder / "live.sqlite"))
        with engine.spot() as spot, connections.writing(spot, foreign_keys=engine.is_d1) as connection:
            assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


def _after(then: object):  # type: ignore[no-untyped-def]
    from opsconsole.engines.sqlite import copying

    pin = copying._pin

    def both(connection: sqlite3.Connection) -> None:
        pin(connection)
        then()  # type: ignore[operator]

    return both


class TestOurOwnTables:
    def test_the_ledger_is_hidden_and_in_no_backup(self, folder: Path, archive: Archive, run: FakeRun) -> None:
        live = files.plain(folder / "live.db")
        first = FORMAT.write(files.engine(live), archive, run)
        restore(live, archive, first, run)
        assert files.rows(live, "SELECT operation, fence FROM _opsconsole_ledger") == [(7, 2)]
        again = FORMAT.write(files.engine(live), dataclasses.replace(archive, folder="backups/x/8"), run)
        assert again.tables == first.tables
        assert again.schema_fingerprint == first.schema_fingerprint == files.engine(live).schema_fingerprint()


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


class TestDamagedBackups:
    @pytest.fixture
    def taken(self, folder: Path, archive: Archive, run: FakeRun) -> Contents:
        return FORMAT.write(files.engine(files.plain(folder / "live.db")), archive, run)

    def refused(self, archive: Archive, contents: Contents, run: FakeRun) -> None:
        with pytest.raises(OperationFailed) as failed:
            FORMAT.read_through(archive, contents, run)
        assert failed.value.code == "backup_damaged"
        assert list(run.workdir.iterdir()) == []

    def test_a_whole_one_is_read_through(self, archive: Archive, taken: Contents, run: FakeRun) -> None:
        FORMAT.read_through(archive, taken, run)
        assert list(run.workdir.iterdir()) == []

    @pytest.mark.parametrize("place", [0, 5, 1000, -1])
    def test_a_flipped_byte_is_found(self, archive: Archive, taken: Contents, run: FakeRun, tmp_path: Path, place: int) -> None:
        path = tmp_path / "store" / archive.key(OBJECT)
        data = bytearray(path.read_bytes())
        data[place] ^= 1
        path.write_bytes(data)
        self.refused(archive, taken, run)

    def test_a_missing_end_is_found(self, archive: Archive, taken: Contents, run: FakeRun, tmp_path: Path) -> None:
        path = tmp_path / "store" / archive.key(OBJECT)
        path.write_bytes(path.read_bytes()[:-100])
        self.refused(archive, taken, run)

    def test_something_behind_the_end_is_found(self, archive: Archive, taken: Contents, run: FakeRun, tmp_path: Path) -> None:
        with (tmp_path / "store" / archive.key(OBJECT)).open("ab") as file:
            file.write(b"more")
        self.refused(archive, taken, run)

    def test_a_missing_object_is_found(self, archive: Archive, taken: Contents, run: FakeRun) -> None:
        archive.store.delete(archive.key(OBJECT))
        self.refused(archive, taken, run)

    def test_other_counts_than_those_written_down_are_found(self, archive: Archive, taken: Contents, run: FakeRun) -> None:
        fewer = tuple(dataclasses.replace(table, rows=table.rows + 1) for table in taken.tables)
        self.refused(archive, dataclasses.replace(taken, tables=fewer), run)

    def test_a_damaged_one_is_never_restored(
        self, folder: Path, archive: Archive, taken: Contents, run: FakeRun, tmp_path: Path
    ) -> None:
        path = tmp_path / "store" / archive.key(OBJECT)
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(OperationFailed):
            restore(folder / "live.db", archive, taken, run)
        assert run.calls == []
        assert [entry.name for entry in folder.iterdir()] == ["live.db"]


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

    def test_a_moved_precondition_changes_nothing(self, folder: Path, archive: Archive, taken: Contents, run: FakeRun) -> None:
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

    def test_a_cancellation_changes_nothing(self, folder: Path, archive: Archive, taken: Contents, run: FakeRun) -> None:
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

    def test_a_reader_in_wal_mode_keeps_its_old_view(self, folder: Path, archive: Archive, taken: Contents, run: FakeRun) -> None:
        live = folder / "live.db"
        files.run_sql(live, "PRAGMA journal_mode=wal")
        with closing(sqlite3.connect(live, isolation_level=None)) as app:
            app.execute("BEGIN")
            before = app.execute("SELECT name FROM people").fetchall()
            restore(live, archive, taken, run)
            assert app.execute("SELECT name FROM people").fetchall() == before
            app.execute("COMMIT")
            assert app.execute("SELECT name FROM people LIMIT 1").fetchone() == ("new 0",)


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
        mine = ["live.db.opsconsole-7.1.staging", "live.db.opsconsole-7.2.staging-journal"]
        others = ["live.db.opsconsole-7.3.staging", "live.db.opsconsole-77.1.staging", "live.db2.opsconsole-7.1.staging"]
        for name in (*mine, *others):
            (folder / name).touch()
        FORMAT.clean_up(files.engine(live), 7, 2)
        assert sorted(path.name for path in folder.iterdir()) == sorted(["live.db", *others])

    def test_it_leaves_a_lock_that_is_held(self, folder: Path) -> None:
        live = files.plain(folder / "live.db")
        with files.engine(live, label="opsconsole/7/2").hold():
            FORMAT.clean_up(files.engine(live), 7, 2)
            assert (folder / "live.db.opsconsole-lock").exists()
