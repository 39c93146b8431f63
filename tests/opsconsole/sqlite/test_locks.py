"""The lock beside a file: nobody shares it, and nobody's death keeps it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from opsconsole import process
from opsconsole.engines.base import TargetBusy
from opsconsole.exceptions import TargetProblem
from tests.support import sqlite_files as files

MINE = 2_000_000 + os.getpid()  # an operation of this test process alone
ROOT = Path(__file__).resolve().parents[3]
HOLD = "import sys, time; from pathlib import Path; from tests.support import sqlite_files as f;\n"
HOLD += "with f.engine(Path(sys.argv[1]), label=sys.argv[2]).hold(): print('held', flush=True); time.sleep(600)"


def another_process(live: Path, label: str, marker: str = "", instance: str = "") -> process.Child:
    """Holds the lock until it is killed."""
    env = {"PYTHONPATH": str(ROOT)} | ({"OPSCONSOLE_OP": marker} if marker else {})
    env |= {"OPSCONSOLE_INSTANCE": instance} if instance else {}
    child = process.spawn([process.python(), "-c", HOLD, live, label], env=env, stdout=process.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    return child


def test_two_engines_never_hold_one_file_together(tmp_path: Path) -> None:
    live = files.plain(tmp_path / "a.db")
    with files.engine(live, label="opsconsole/1/1").hold():
        with pytest.raises(TargetBusy) as busy, files.engine(live, label="opsconsole/2/1").hold():
            pass
        assert busy.value.holder.label == "opsconsole/1/1"
        assert busy.value.holder.since


def test_a_symlink_is_no_way_round(tmp_path: Path) -> None:
    live = files.plain(tmp_path / "a.db")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "link.db").symlink_to(live)
    other = files.engine(tmp_path / "sub" / "link.db", roots=[tmp_path], label="opsconsole:b/2/1")
    with files.engine(live).hold(), pytest.raises(TargetBusy), other.hold():
        pass


def test_the_lock_is_gone_with_its_holder(tmp_path: Path) -> None:
    live = files.plain(tmp_path / "a.db")
    with files.engine(live).hold() as lock:
        lock.confirm()
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]
    with files.engine(live, label="opsconsole/2/1").hold() as lock:
        lock.confirm()


def test_a_killed_holder_frees_it(tmp_path: Path) -> None:
    live = files.plain(tmp_path / "a.db")
    child = another_process(live, "opsconsole/1/1")
    engine = files.engine(live, label="opsconsole/2/1")
    with pytest.raises(TargetBusy), engine.hold():
        pass
    assert engine.leftovers() == []
    child.kill()
    child.wait()
    assert engine.leftovers() == ["a.db.opsconsole-lock"]
    with engine.hold():
        pass
    assert engine.leftovers() == []


def test_a_superseded_worker_is_ended(tmp_path: Path) -> None:
    live = files.plain(tmp_path / "a.db")
    child = another_process(live, f"opsconsole/us/{MINE}/1", marker=f"{MINE}.1", instance="us")
    with files.engine(live, label=f"opsconsole/us/{MINE}/2").hold():
        assert child.wait(5) == -9


def test_a_worker_of_another_console_is_not_ended_for_ours(tmp_path: Path) -> None:
    one, two = files.plain(tmp_path / "a.db"), files.plain(tmp_path / "b.db")
    lost = another_process(one, f"opsconsole/us/{MINE}/1", marker=f"{MINE}.1", instance="us")
    theirs = another_process(two, f"opsconsole/them/{MINE}/1", marker=f"{MINE}.1", instance="them")
    with files.engine(one, label=f"opsconsole/us/{MINE}/2").hold():
        assert (lost.wait(5), theirs.poll()) == (-9, None)
    process.stop(theirs, grace=0)


@pytest.mark.parametrize("label", ["opsconsole/{}/3", "opsconsole/8/1", "opsconsole/other/{}/1", "somebody"])
def test_nobody_else_is_ended(tmp_path: Path, label: str) -> None:
    live = files.plain(tmp_path / "a.db")
    label = label.format(MINE)
    child = another_process(live, label, marker=f"{MINE}.1")
    try:
        with pytest.raises(TargetBusy) as busy, files.engine(live, label=f"opsconsole/{MINE}/2").hold():
            pass
        assert (busy.value.holder.label, child.poll()) == (label, None)
    finally:
        process.stop(child, grace=0)


def test_a_lock_whose_file_was_removed_is_not_confirmed(tmp_path: Path) -> None:
    live = files.plain(tmp_path / "a.db")
    with files.engine(live).hold() as lock:
        (tmp_path / "a.db.opsconsole-lock").unlink()
        with pytest.raises(TargetProblem) as lost:
            lock.confirm()
    assert lost.value.code == "locked"


def test_a_symlink_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    live = files.plain(tmp_path / "a.db")
    (tmp_path / "a.db.opsconsole-lock").symlink_to(tmp_path / "victim")
    with pytest.raises(TargetProblem), files.engine(live).hold():
        pass
    assert not (tmp_path / "victim").exists()


def test_many_who_want_it_have_it_one_after_the_other(tmp_path: Path) -> None:
    live, inside, most, had = files.plain(tmp_path / "a.db"), [0], [0], [0]

    def work(number: int) -> None:
        engine, deadline = files.engine(live, label=f"opsconsole/{number}/1"), time.monotonic() + 60
        turns = 0
        while turns < 15:
            assert time.monotonic() < deadline
            try:
                with engine.hold() as lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    lock.confirm()
                    had[0] += 1
                    turns += 1
                    inside[0] -= 1
            except TargetBusy:
                continue

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, had) == ([1], [90])
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]
