"""The spike of PostgreSQL's commit points: kill -9 at every failpoint of swap, in place and backup.

Whatever the moment, the live database holds its old or its new content, whole; the witness says which; and one
clean-up leaves nothing behind.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from lifecycle.formats.postgresql_native import PostgresNative
from opsconsole import process
from opsconsole.engines.labels import Label
from tests.lifecycle.postgresql.conftest import NEW, OLD, Ledger
from tests.support import postgres_worker as worker
from tests.support.fake_run import stored_witness
from tests.support.waiting import process_state, wait_until

FORMAT = PostgresNative()
OLD_NAME = f"__old_{Label('opsconsole', 7, 2).tag}_7"  # what the swap of operation 7 of these workers leaves
BACKUP = ["backup.mid", "backup.before_fsync", "backup.data_renamed"]
BEFORE = [
    ("swap", "restore.staging_half"),
    ("swap", "restore.before_swap"),
    ("swap", "restore.in_swap"),
    ("in_place", "inplace.mid"),
    ("in_place", "restore.before_swap"),
]
AFTER = [("swap", "restore.swapped"), ("in_place", "restore.swapped")]


def killed(child: process.Child) -> None:
    assert child.wait(60) == -signal.SIGKILL
    wait_until(lambda: not process.marked("7.2"), "no child outlives the worker", seconds=5)


def assert_nothing_is_left(ledger: Ledger, *, kept: int = 0) -> None:
    """The next worker takes the lock at once, cleans up, and no copy and no session of the dead one is there."""
    engine = worker.engine(ledger.url, label="opsconsole/7/3")
    with engine.hold():
        FORMAT.clean_up(engine, 7, 2)
        assert engine.leftovers() == []
    assert ledger.databases() == [""] + [OLD_NAME] * kept
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'opsconsole/7/%'"
    wait_until(lambda: ledger.server.rows(query) == [(0,)], "our sessions have ended", seconds=5)


@pytest.mark.parametrize(("method", "failpoint"), BEFORE)
def test_a_restore_killed_before_its_commit_point_changes_nothing(
    damaged: tuple[Ledger, Path], method: str, failpoint: str
) -> None:
    ledger, base = damaged
    killed(worker.start(method, ledger.url, base, failpoint=f"{failpoint}:kill9"))
    assert FORMAT.landed(worker.engine(ledger.url), stored_witness(base / "witness.json")) is False
    assert ledger.state() == OLD
    assert_nothing_is_left(ledger)
    assert ledger.state() == OLD


@pytest.mark.parametrize(("method", "failpoint"), AFTER)
def test_a_restore_killed_after_its_commit_point_is_whole(
    damaged: tuple[Ledger, Path], method: str, failpoint: str
) -> None:
    ledger, base = damaged
    killed(worker.start(method, ledger.url, base, failpoint=f"{failpoint}:kill9"))
    assert FORMAT.landed(worker.engine(ledger.url), stored_witness(base / "witness.json")) is True
    assert_nothing_is_left(ledger, kept=int(method == "swap"))
    assert ledger.state() == NEW


@pytest.mark.parametrize("method", ["swap", "in_place"])
def test_a_restore_that_is_left_alone_is_whole(damaged: tuple[Ledger, Path], method: str) -> None:
    ledger, base = damaged
    assert worker.start(method, ledger.url, base).wait(60) == 0
    assert FORMAT.landed(worker.engine(ledger.url), stored_witness(base / "witness.json")) is True
    assert_nothing_is_left(ledger, kept=int(method == "swap"))
    assert ledger.state() == NEW


@pytest.mark.parametrize("method", ["swap", "in_place"])
def test_a_restore_killed_at_any_moment_is_old_or_new(damaged: tuple[Ledger, Path], method: str) -> None:
    ledger, base = damaged
    for number in range(8):
        (base / "witness.json").unlink(missing_ok=True)
        child = worker.start(method, ledger.url, base)
        process.ended_within(child, 0.5 + number * 0.15)  # another moment each time; any of them must do
        child.kill()
        child.wait()
        landed = FORMAT.landed(worker.engine(ledger.url), stored_witness(base / "witness.json"))
        assert landed is not None
        assert ledger.state() == (NEW if landed else OLD)
        assert_nothing_is_left(ledger, kept=int(landed and method == "swap"))
        if landed:
            return


@pytest.mark.parametrize("failpoint", BACKUP)
def test_a_backup_killed_anywhere_leaves_the_database_and_no_part(ledger: Ledger, base: Path, failpoint: str) -> None:
    killed(worker.start("backup", ledger.url, base, failpoint=f"{failpoint}:kill9"))
    archive = worker.archive(base, "7.2")
    archive.store.sweep("backups/x", part="7.2")
    assert list((base / "store").rglob("*.part")) == []
    assert not (base / "contents.json").exists()
    assert_nothing_is_left(ledger)
    assert ledger.state() == NEW


def test_a_stopped_worker_cannot_swap_after_its_successor_has_taken_over(damaged: tuple[Ledger, Path]) -> None:
    ledger, base = damaged
    with stopped(worker.start("swap", ledger.url, base, failpoint="restore.in_swap:stop")) as child:
        successor = worker.engine(ledger.url, label="opsconsole/7/3")
        with successor.hold():
            assert FORMAT.landed(successor, stored_witness(base / "witness.json")) is False
            child.send_signal(signal.SIGCONT)
            assert child.wait(30) != 0
    assert ledger.state() == OLD
    assert_nothing_is_left(ledger)


def test_applications_that_reconnect_see_old_then_new_and_never_a_shut_door(damaged: tuple[Ledger, Path]) -> None:
    ledger, base = damaged
    child = worker.start("swap", ledger.url, base)
    seen, refused = [], 0
    while child.poll() is None or len(seen) < 2:
        try:
            with psycopg.connect(ledger.url, connect_timeout=10) as app:
                seen.append(app.execute("SELECT count(*) FROM entries").fetchone()[0])  # type: ignore[index]
        except psycopg.OperationalError:
            refused += 1
        seen = seen if len(seen) < 3 else [seen[0], *dict.fromkeys(seen[1:])]
    assert child.returncode == 0
    assert seen == sorted(seen), "an application saw the old content after the new"
    assert refused < 5
    assert ledger.state() == NEW


@contextmanager
def stopped(child: process.Child) -> Iterator[process.Child]:
    """The worker, once it has stopped at its failpoint; it does not outlive the block."""
    try:
        wait_until(lambda: process_state(child.pid) == "T", "the worker has stopped")
        yield child
    finally:
        child.kill()
        child.wait()


def test_the_successor_finishes_the_work(damaged: tuple[Ledger, Path], make_ledger: Callable[..., Ledger]) -> None:
    ledger, base = damaged
    killed(worker.start("swap", ledger.url, base, failpoint="restore.staging_half:kill9"))
    worker.restore(ledger.url, base, worker.run_in(base, fence=3))
    assert ledger.state() == NEW
