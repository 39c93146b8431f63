"""Starting and stopping other programs: nothing outlives us, nothing leaks."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from opsconsole import process
from opsconsole.exceptions import OperationFailed
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


def script(text: str, *words: str | Path) -> list[str | Path]:
    return [process.python(), "-c", text, *words]


def test_a_child_sees_only_the_environment_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAVINGS_URL", "postgresql://secret")
    done = process.run(script("import os; print(sorted(os.environ))"), env={"WANTED": "1"})
    names = done.stdout.decode()
    assert "WANTED" in names
    assert "SAVINGS_URL" not in names


def test_a_child_searches_the_fixed_path_and_writes_no_core() -> None:
    text = "import os, resource; print(os.environ['PATH'], resource.getrlimit(resource.RLIMIT_CORE))"
    assert process.run(script(text)).stdout.decode().strip() == f"{process.PATH} (0, 0)"


def test_a_child_gets_no_descriptor_it_was_not_given() -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        text = "import os, sys; os.fstat(int(sys.argv[1]))"
        assert process.run(script(text, str(writing))).returncode != 0
    finally:
        os.close(reading)
        os.close(writing)


def test_a_program_that_takes_too_long_is_stopped() -> None:
    began = time.monotonic()
    with pytest.raises(OperationFailed) as failure:
        process.run(["sleep", "60"], timeout=0.3)
    assert failure.value.code == "timeout"
    assert time.monotonic() - began < 10


def test_of_a_program_that_says_too_much_the_beginning_is_kept() -> None:
    done = process.run(["sh", "-c", "head -c 64000000 /dev/zero; echo enough >&2"])
    assert (len(done.stdout), done.stderr) == (process.MOST_OUTPUT, b"enough\n")


def test_one_that_leaves_its_output_open_in_a_grandchild_is_stopped_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(OperationFailed):
        process.run(["sh", "-c", "setsid sleep 30 & exit 0"], timeout=0.5)
    assert time.monotonic() - began < 10


def test_one_that_ignores_sigterm_is_killed() -> None:
    child = process.spawn(
        script("import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"),
        stdout=process.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    assert process.stop(child, grace=0.2) == -signal.SIGKILL
    child.stdout.close()


def test_stopping_takes_the_whole_group_along() -> None:
    child = process.spawn(["sh", "-c", "sleep 60 & echo $!; wait"], stdout=process.PIPE)
    assert child.stdout is not None
    grandchild = int(child.stdout.readline())
    process.stop(child)
    wait_until(lambda: not process.alive(grandchild), "the grandchild has ended")
    child.stdout.close()


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    text = (
        "import sys; from pathlib import Path; from opsconsole import process\n"
        "child = process.spawn(['sleep', '60']); Path(sys.argv[1]).write_text(str(child.pid)); child.wait()\n"
    )
    told = tmp_path / "pid"
    parent = process.spawn(script(text, told), cwd=ROOT)
    wait_until(lambda: told.exists() and told.read_text(), "the child runs")
    child = int(told.read_text())
    parent.kill()
    parent.wait()
    wait_until(lambda: not process.alive(child), "the child has ended")


def test_a_sweep_finds_a_process_that_has_left_its_session() -> None:
    text = "import os, time; os.setsid() if os.fork() == 0 else None; print(1, flush=True); time.sleep(60)"
    child = process.spawn(script(text), env={"OPSCONSOLE_OP": "71.3"}, stdout=process.PIPE)
    assert child.stdout is not None
    for _ in range(2):
        child.stdout.readline()
    assert len(process.marked("71.3")) == 2
    assert process.kill_marked("71.3") == 2
    child.wait()
    child.stdout.close()
    assert process.marked("71.3") == []


def test_a_sweep_leaves_the_same_operation_of_another_console_alone() -> None:
    child = process.spawn(["sleep", "60"], env={"OPSCONSOLE_OP": "71.4", "OPSCONSOLE_INSTANCE": "theirs"})
    assert process.kill_marked("71.4", instance="ours") == 0
    assert process.kill_marked("71.4", instance="theirs") == 1
    child.wait()


def test_a_sweep_leaves_other_operations_alone() -> None:
    child = process.spawn(["sleep", "60"], env={"OPSCONSOLE_OP": "71.30"})
    assert process.kill_marked("71.3") == 0
    assert process.alive(child.pid)
    process.stop(child)


def test_a_zombie_counts_as_dead() -> None:
    child = process.spawn(["true"])
    wait_until(lambda: not process.alive(child.pid), "it has ended, though nobody has asked how")
    assert child.poll() == 0


def test_a_marker_is_handed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSCONSOLE_OP", "9.1")
    done = process.run(script("import os; print(os.environ['OPSCONSOLE_OP'])"))
    assert done.stdout.strip() == b"9.1"
