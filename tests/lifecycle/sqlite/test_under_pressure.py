"""Backups beside busy writers, full disks, and memory that does not grow with the database."""

from __future__ import annotations

import os
import resource
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lifecycle.formats.base import Archive
from opsconsole.engines.sqlite import copying
from opsconsole.exceptions import Cancelled, OpsError, TargetProblem
from opsconsole.storage import FolderStore
from tests.lifecycle.sqlite.steps import FORMAT, restore, unpacked
from tests.support import sqlite_files as files
from tests.support.fake_run import FakeRun

modes = pytest.mark.parametrize("mode", ["delete", "wal"])


@contextmanager
def two_tables_in_step(live: Path) -> Iterator[None]:
    """A writer that, without a pause, raises one number in two tables in one transaction."""
    stop = threading.Event()

    def work() -> None:
        with closing(sqlite3.connect(live, isolation_level=None, timeout=60)) as connection:
            while not stop.is_set():
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("UPDATE people SET height = height + 1 WHERE id = 1")
                connection.execute("UPDATE settings SET value = value + 1 WHERE key = 'count'")
                connection.execute("COMMIT")

    files.run_sql(
        live, "UPDATE people SET height = 0 WHERE id = 1", "UPDATE settings SET value = 0 WHERE key = 'count'"
    )
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@modes
def test_a_backup_beside_a_busy_writer_ends_and_shows_one_moment(
    folder: Path, archive: Archive, run: FakeRun, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PAGES_A_STEP", 16)
    live = files.plain(folder / "live.db", people=4000, mode=mode)
    with two_tables_in_step(live):
        contents = FORMAT.write(files.engine(live), archive, run)
    copy = unpacked(archive, folder / "copy.db")
    FORMAT.read_through(archive, contents, run)
    assert files.rows(copy, "SELECT height FROM people WHERE id = 1") == files.rows(
        copy, "SELECT CAST(value AS REAL) FROM settings WHERE key = 'count'"
    )


def test_a_writer_in_rollback_mode_disturbs_a_copy_only_so_often(
    folder: Path, archive: Archive, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = files.plain(folder / "live.db", people=4000)
    monkeypatch.setattr(copying, "PAGES_A_STEP", 64)
    pinned: list[bool] = []
    copy_out = copying._copy_out

    def disturbed(*arguments: object, **options: bool) -> None:
        pinned.append(options["pinned"])
        copy_out(*arguments, **options)  # type: ignore[arg-type]

    def write_at_every_step(done: int, total: int, unit: str, *, step: str = "") -> None:
        if step == "copy" and pinned == [False]:
            files.run_sql(live, "UPDATE people SET height = height + 1 WHERE id = 1")

    monkeypatch.setattr(copying, "_copy_out", disturbed)
    monkeypatch.setattr(
        "lifecycle.formats.sqlite_native.paced", lambda run, unit, step: _each(write_at_every_step, step)
    )
    FORMAT.write(files.engine(live), archive, run)
    assert pinned == [False, True]


def _each(report: Callable[..., None], step: str) -> Callable[[int, int], None]:
    return lambda done, total: report(done, total, "", step=step)


def test_a_database_that_stays_locked_is_waited_for_and_then_named(
    folder: Path, archive: Archive, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "WAIT_SECONDS", 0.3)
    live = files.plain(folder / "live.db")
    with closing(sqlite3.connect(live, isolation_level=None)) as app:
        app.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TargetProblem) as refused:
            FORMAT.write(files.engine(live), archive, run)
    assert refused.value.code == "locked"
    assert list(run.workdir.iterdir()) == []


def test_a_cancelled_backup_leaves_nothing(folder: Path, archive: Archive, run: FakeRun) -> None:
    live = files.plain(folder / "live.db")
    run.cancel = True
    with pytest.raises(Cancelled):
        FORMAT.write(files.engine(live), archive, run)
    assert list(run.workdir.iterdir()) == []
    assert archive.store.keys("backups") == []


def with_files_no_larger_than(size: int, act: Callable[[], None]) -> str:
    """The code of the error that `act` ends with in a child whose files cannot grow beyond `size`."""
    out, into = os.pipe()
    if (child := os.fork()) == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            act()
            os.write(into, b"no error")
        except OpsError as error:
            os.write(into, error.code.encode())
        finally:
            os._exit(0)
    os.close(into)
    os.waitpid(child, 0)
    with open(out, "rb") as result:
        return result.read().decode()


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_a_backup_onto_a_full_disk_fails_and_leaves_nothing(
    folder: Path, archive: Archive, run: FakeRun, tmp_path: Path, share: float
) -> None:
    live = files.plain(folder / "live.db", people=2000)
    size = int(live.stat().st_size * share)
    assert with_files_no_larger_than(size, lambda: _write(live, archive, run)) == "disk_full"
    assert list(run.workdir.iterdir()) == []
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def _write(live: Path, archive: Archive, run: FakeRun) -> None:
    FORMAT.write(files.engine(live), archive, run)


@modes
@pytest.mark.parametrize("room", ["for no staging", "for staging only"])
def test_a_restore_onto_a_full_disk_changes_nothing(
    folder: Path, archive: Archive, run: FakeRun, mode: str, room: str
) -> None:
    source = files.plain(folder / "source.db", people=4000, word="new")
    contents = FORMAT.write(files.engine(source), archive, run)
    source.unlink()
    live = files.plain(folder / "live.db", people=6000, mode=mode)
    plain = contents.objects[0].plain_size
    size = plain // 2 if room == "for no staging" else plain + 8192
    code = with_files_no_larger_than(size, lambda: restore(live, archive, contents, run))
    landed = code == "no error"  # in rollback mode nothing grows beyond the staging file
    assert code in ({"disk_full"} if room == "for no staging" or mode == "wal" else {"disk_full", "no error"})
    assert (files.words(live), files.integrity(live)) == ({"new"} if landed else {"old"}, ["ok"])
    assert {path.name for path in folder.iterdir()} <= {"live.db", "live.db-wal", "live.db-shm"}


def test_memory_does_not_grow_with_the_database(tmp_path: Path) -> None:
    small, large = (memory_of_a_round(tmp_path / str(people), people) for people in (2_000, 30_000))
    assert large - small < 16 << 10


def memory_of_a_round(base: Path, people: int) -> int:
    """KiB by which a child's peak grew while it backed up, read through and restored a database."""
    (base / "work").mkdir(parents=True)
    (base / "files").mkdir()
    live = files.plain(base / "files" / "live.db", people=people)
    out, into = os.pipe()
    if (child := os.fork()) == 0:
        os.write(into, str(_grown(base, live)).encode())
        os._exit(0)
    os.close(into)
    os.waitpid(child, 0)
    with open(out, "rb") as result:
        return int(result.read())


def _grown(base: Path, live: Path) -> int:
    Path("/proc/self/clear_refs").write_text("5")  # begin the peak anew
    before = _peak()
    run = FakeRun(operation_id=7, fence=2, workdir=base / "work")
    archive = Archive(store=FolderStore(base / "store"), folder="backups/x/7", part="7.2")
    contents = FORMAT.write(files.engine(live), archive, run)
    FORMAT.read_through(archive, contents, run)
    restore(live, archive, contents, run)
    return _peak() - before


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))
