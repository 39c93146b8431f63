"""Backup and restore stay below 64 MiB in every process, and as small with 200 thousand rows as with 10 thousand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opsconsole import process
from tests.bench import processes
from tests.support import postgres_worker as worker

SMALL, LARGE = 10_000, 200_000
MOST, MARGIN = 64 << 20, 6 << 20


def peaks(postgres: Any, folder: Path, rows: int) -> dict[str, int]:
    """By act, bytes of the largest process: the one that drives the format, or a copy worker."""
    name = postgres.create_database()
    postgres.run(
        "CREATE TABLE t (n int PRIMARY KEY, word text); CREATE INDEX ON t (word);"
        f" INSERT INTO t SELECT n, md5(n::text) || md5((n + 1)::text) FROM generate_series(1, {rows}) n",
        name,
    )
    base = worker.make_base(folder)
    env = {"PYTHONPATH": str(processes.ROOT), "TARGET_URL": str(postgres.url(name))}
    found = {}
    for fence, act in enumerate(("backup", "swap"), 1):
        argv = [process.python(), "-m", "tests.support.postgres_worker", act, str(base), "7", str(fence), "native"]
        found[act] = processes.run(argv, env).peak
    for (left,) in postgres.rows(f"SELECT datname FROM pg_database WHERE starts_with(datname, '{name}')"):
        postgres.drop_database(left)
    return found


def peak_of_a_portable_backup(postgres: Any, folder: Path, rows: int) -> int:
    name = postgres.create_database()
    postgres.run(f"CREATE TABLE t AS SELECT n, repeat(md5(n::text), 30) AS t FROM generate_series(1, {rows}) n", name)
    env = {"PYTHONPATH": str(processes.ROOT), "TARGET_URL": str(postgres.url(name))}
    argv = [process.python(), "-m", "tests.bench.ours", "json", str(worker.make_base(folder))]
    written = processes.run(argv, env).peak
    read = processes.run([*argv[:3], "read", str(folder)], env).peak
    postgres.drop_database(name)
    return max(written, read)


@pytest.mark.serial
def test_memory_of_a_portable_backup_is_flat_as_well(postgres: Any, tmp_path: Path) -> None:
    small, large = (peak_of_a_portable_backup(postgres, tmp_path / str(rows), rows) for rows in (2_000, 40_000))
    assert large < MOST
    assert large - small < MARGIN, (small, large)


@pytest.mark.serial
def test_memory_is_flat_between_two_sizes(postgres: Any, tmp_path: Path) -> None:
    small, large = peaks(postgres, tmp_path / "small", SMALL), peaks(postgres, tmp_path / "large", LARGE)
    assert max(large.values()) < MOST, large
    assert {act: large[act] - small[act] < MARGIN for act in small} == dict.fromkeys(small, True), (small, large)
