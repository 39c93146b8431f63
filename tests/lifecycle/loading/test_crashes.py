"""Kill -9 around the commit of a load, on both engines: all of it or nothing, and the witness says which."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lifecycle import loading
from opsconsole import process
from tests.bench import processes
from tests.lifecycle.loading.conftest import Place
from tests.support import loading_worker as worker
from tests.support import sqlite_files as files
from tests.support.fake_run import stored_witness

WORDS = "SELECT word, count(*) FROM parents GROUP BY 1 UNION ALL SELECT word, count(*) FROM children GROUP BY 1"
OLD, NEW = [("old", 2), ("old", 2)], [("new", worker.ROWS)] * 2


@pytest.fixture(params=["postgresql", "sqlite"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Callable[[], list[tuple[Any, ...]]]]:
    """(URL, what is in it) of a database with old rows."""
    if request.param == "postgresql":
        place: Place = request.getfixturevalue("make_place")(worker.SCHEMA)
        return place.url, lambda: place.rows(WORDS)
    path = tmp_path / "live.db"
    files.run_sql(path, *worker.SCHEMA.strip().split(";\n"))
    return f"sqlite:///{path}", lambda: files.rows(path, WORDS)


@pytest.mark.parametrize(
    ("failpoint", "mode", "done"),
    [("load.half", "replace", False), ("load.before_commit", "merge", False), ("load.committed", "replace", True)],
)
def test_a_load_that_is_killed_is_whole_or_has_not_been(
    target: tuple[str, Callable[[], Any]], tmp_path: Path, failpoint: str, mode: str, done: bool
) -> None:
    url, content = target
    assert worker.start(url, tmp_path, mode, f"{failpoint}:kill9").wait(60) == -signal.SIGKILL
    successor = worker.engine(url, fence=3)
    with successor.hold():
        landed = loading.landed(successor, stored_witness(tmp_path / "witness.json"))
    assert (landed, content()) == (done, NEW if done else OLD)


SMALL, LARGE, MARGIN = 500, 10_000, 6 << 20
WORD = "x" * 1500


def test_memory_is_flat_between_two_sizes(target: tuple[str, Callable[[], Any]], tmp_path: Path) -> None:
    url, content = target
    peaks = {}
    for rows in (SMALL, LARGE):
        argv = [process.python(), "-m", "tests.support.loading_worker", str(tmp_path), "merge", "7", str(rows), WORD]
        peaks[rows] = processes.run(argv, {"PYTHONPATH": str(processes.ROOT), "TARGET_URL": url}).peak
    assert content() == [(WORD, LARGE)] * 2
    assert peaks[LARGE] - peaks[SMALL] < MARGIN, peaks
