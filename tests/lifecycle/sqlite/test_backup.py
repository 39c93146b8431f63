"""Backups of SQLite files: what is in them, and how damage to them is found."""

from __future__ import annotations

import dataclasses
import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lifecycle.formats.base import Archive, Contents
from lifecycle.formats.sqlite_native import OBJECT
from opsconsole.exceptions import OperationFailed
from tests.lifecycle.sqlite.steps import FORMAT, restore, unpacked
from tests.support import sqlite_files as files
from tests.support.fake_run import FakeRun


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_backup_is_a_database_file_that_anyone_can_unpack(
    folder: Path, archive: Archive, run: FakeRun, mode: str
) -> None:
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


class TestOurOwnTables:
    def test_the_ledger_is_hidden_and_in_no_backup(self, folder: Path, archive: Archive, run: FakeRun) -> None:
        live = files.plain(folder / "live.db")
        first = FORMAT.write(files.engine(live), archive, run)
        restore(live, archive, first, run)
        assert files.rows(live, "SELECT operation, fence FROM _opsconsole_ledger") == [(7, 2)]
        again = FORMAT.write(files.engine(live), dataclasses.replace(archive, folder="backups/x/8"), run)
        assert again.tables == first.tables
        assert again.schema_fingerprint == first.schema_fingerprint == files.engine(live).schema_fingerprint()

    def test_the_ledger_of_numbered_migrations_goes_with_the_schema_that_they_made(
        self, folder: Path, archive: Archive, run: FakeRun
    ) -> None:
        live = files.plain(folder / "live.db")
        files.run_sql(live, "CREATE TABLE _opsconsole_migrations (version INTEGER PRIMARY KEY, name TEXT)")
        files.run_sql(live, "INSERT INTO _opsconsole_migrations VALUES (1, '0001_first')")
        contents = FORMAT.write(files.engine(live), archive, run)
        files.run_sql(live, "INSERT INTO _opsconsole_migrations VALUES (2, '0002_second')")
        restore(live, archive, contents, run)
        assert files.rows(live, "SELECT version FROM _opsconsole_migrations") == [(1,)]


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
    def test_a_flipped_byte_is_found(
        self, archive: Archive, taken: Contents, run: FakeRun, tmp_path: Path, place: int
    ) -> None:
        path = tmp_path / "store" / archive.key(OBJECT)
        data = bytearray(path.read_bytes())
        data[place] ^= 1
        path.write_bytes(data)
        self.refused(archive, taken, run)

    def test_a_missing_end_is_found(self, archive: Archive, taken: Contents, run: FakeRun, tmp_path: Path) -> None:
        path = tmp_path / "store" / archive.key(OBJECT)
        path.write_bytes(path.read_bytes()[:-100])
        self.refused(archive, taken, run)

    def test_something_behind_the_end_is_found(
        self, archive: Archive, taken: Contents, run: FakeRun, tmp_path: Path
    ) -> None:
        with (tmp_path / "store" / archive.key(OBJECT)).open("ab") as file:
            file.write(b"more")
        self.refused(archive, taken, run)

    def test_a_missing_object_is_found(self, archive: Archive, taken: Contents, run: FakeRun) -> None:
        archive.store.delete(archive.key(OBJECT))
        self.refused(archive, taken, run)

    def test_other_counts_than_those_written_down_are_found(
        self, archive: Archive, taken: Contents, run: FakeRun
    ) -> None:
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
