"""The spike of SQLite's commit points: kill -9 at every failpoint, in both journal modes, with others at work.

Whatever the moment, the live database holds its old or its new content, whole; the witness says which; and one
clean-up leaves nothing behind.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from lifecycle.formats.sqlite_native import OBJECT
from opsconsole import process
from opsconsole.engines.sqlite import files as finding
from tests.lifecycle.sqlite.bystanders import a_reader, a_writer, nobody
from tests.lifecycle.sqlite.steps import FORMAT
from tests.support import sqlite_files as files
from tests.support import sqlite_worker as worker
from tests.support.fake_run import FakeRun, stored_witness
from tests.support.waiting import process_state, wait_until

BEFORE = ["restore.staging_half", "restore.before_swap", "sqlite.copy_half", "restore.in_swap"]
AFTER = ["sqlite.copied", "restore.swapped"]
BACKUP = ["backup.mid", "backup.before_fsync", "backup.data_renamed"]
Bystander = Callable[[Path], AbstractContextManager[list[str]]]
modes = pytest.mark.parametrize("mode", ["delete", "wal"])
bystanders = pytest.mark.parametrize("bystander", [nobody, a_reader, a_writer], ids=lambda chosen: chosen.__name__)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a database full of "new", larger than SQLite's page cache."""
    base = tmp_path_factory.mktemp("kept")
    (base / "work").mkdir()
    source = files.plain(base / "source.db", people=6000, word="new")
    run = FakeRun(operation_id=7, fence=1, workdir=base / "work")
    worker.save(FORMAT.write(files.engine(source), worker.archive(base, run.part), run), base)
    return base


def live_file(tmp_path: Path, mode: str) -> Path:
    (tmp_path / "files").mkdir()
    return files.plain(tmp_path / "files" / "live.db", people=5000, mode=mode, word="old")


def killed(child: process.Child) -> None:
    assert child.wait(60) == -signal.SIGKILL
    deadline = time.monotonic() + 5
    while process.marked(worker.PART):
        assert time.monotonic() < deadline, "a child outlived the worker"
        time.sleep(0.02)


def assert_nothing_is_left(live: Path) -> None:
    """The next worker takes the lock at once, cleans up, and then only SQLite's own files are there.

    A journal that the dead worker had not begun to fill is not hot: SQLite uses it again for the next transaction.
    """
    engine = files.engine(live, label=f"opsconsole/{worker.OPERATION}/3")
    with engine.hold():
        FORMAT.clean_up(engine, worker.OPERATION, 2)
    assert engine.leftovers() == []
    journal = live.with_name("live.db-journal")
    assert not journal.exists() or journal.read_bytes()[:1] in {b"", b"\0"}
    assert {path.name for path in live.parent.iterdir()} - {journal.name} <= {"live.db", "live.db-wal", "live.db-shm"}


@bystanders
@modes
@pytest.mark.parametrize("failpoint", BEFORE)
def test_a_restore_killed_before_its_commit_point_changes_nothing(
    tmp_path: Path, kept: Path, failpoint: str, mode: str, bystander: Bystander
) -> None:
    live, base = live_file(tmp_path, mode), shutil.copytree(kept, tmp_path / "base")
    with bystander(live) as complaints:
        killed(worker.start("restore", live, base, failpoint=f"{failpoint}:kill9"))
        assert FORMAT.landed(files.engine(live), stored_witness(base / "witness.json")) is False
    assert_nothing_is_left(live)
    assert (files.words(live), files.integrity(live), complaints) == ({"old"}, ["ok"], [])


@bystanders
@modes
@pytest.mark.parametrize("failpoint", AFTER)
def test_a_restore_killed_after_its_commit_point_is_whole(
    tmp_path: Path, kept: Path, failpoint: str, mode: str, bystander: Bystander
) -> None:
    live, base = live_file(tmp_path, mode), shutil.copytree(kept, tmp_path / "base")
    with bystander(live) as complaints:
        killed(worker.start("restore", live, base, failpoint=f"{failpoint}:kill9"))
        assert FORMAT.landed(files.engine(live), stored_witness(base / "witness.json")) is True
    assert_nothing_is_left(live)
    assert (files.words(live), files.integrity(live), complaints) == ({"new"}, ["ok"], [])


@bystanders
@modes
def test_a_restore_that_is_left_alone_is_whole(tmp_path: Path, kept: Path, mode: str, bystander: Bystander) -> None:
    live, base = live_file(tmp_path, mode), shutil.copytree(kept, tmp_path / "base")
    with bystander(live) as complaints:
        assert worker.start("restore", live, base).wait(60) == 0
        assert FORMAT.landed(files.engine(live), stored_witness(base / "witness.json")) is True
    assert (files.words(live), files.integrity(live), complaints) == ({"new"}, ["ok"], [])
    assert_nothing_is_left(live)


@modes
def test_a_restore_killed_at_any_moment_is_old_or_new(tmp_path: Path, kept: Path, mode: str) -> None:
    live, base = live_file(tmp_path, mode), shutil.copytree(kept, tmp_path / "base")
    for number in range(6):
        child = worker.start("restore", live, base, failpoint="restore.before_swap:sleep=0")
        wait_for_staging(live, child)
        time.sleep(number * 0.04)  # a different moment of the copy each time; any of them must do
        child.kill()
        child.wait()
        landed = FORMAT.landed(files.engine(live), stored_witness(base / "witness.json"))
        assert (files.words(live), files.integrity(live)) == ({"new"} if landed else {"old"}, ["ok"])
        assert_nothing_is_left(live)
        if landed:
            return


def wait_for_staging(live: Path, child: process.Child) -> None:
    """Until the worker has a staging file (or has ended already)."""
    staging = live.parent / finding.staging_name("live.db", worker.LABEL)
    deadline = time.monotonic() + 30
    while child.poll() is None and not staging.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@modes
@pytest.mark.parametrize("failpoint", BACKUP)
def test_a_backup_killed_anywhere_leaves_the_database_and_no_part(tmp_path: Path, failpoint: str, mode: str) -> None:
    live, base = live_file(tmp_path, mode), tmp_path / "base"
    (base / "work").mkdir(parents=True)
    killed(worker.start("backup", live, base, failpoint=f"{failpoint}:kill9"))
    archive = worker.archive(base, worker.PART)
    archive.store.sweep("backups/x", part=worker.PART)
    published = [archive.key(OBJECT)] if failpoint == "backup.data_renamed" else []
    assert archive.store.keys("backups/x") == published  # the manifest, not this, is what lists a backup
    assert list((base / "store").rglob("*.part")) == []
    assert all(path.name.startswith(f"{worker.PART}.") for path in (base / "work").iterdir())
    assert (files.words(live), files.integrity(live)) == ({"old"}, ["ok"])
    assert_nothing_is_left(live)


def test_a_stopped_worker_is_ended_before_the_next_one_goes_on(tmp_path: Path, kept: Path) -> None:
    live, base = live_file(tmp_path, "delete"), shutil.copytree(kept, tmp_path / "base")
    child = worker.start("restore", live, base, failpoint="sqlite.copy_half:stop")
    wait_until(lambda: process_state(child.pid) == "T", "the stop")
    with files.engine(live, label=f"opsconsole/{worker.OPERATION}/3").hold():
        assert child.wait(5) == -signal.SIGKILL
    assert_nothing_is_left(live)
    assert (files.words(live), files.integrity(live)) == ({"old"}, ["ok"])
