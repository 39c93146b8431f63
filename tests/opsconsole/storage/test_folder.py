"""A store in a folder: what its files are, and what a disk does to it. What every store does: test_contract.py."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsconsole.exceptions import OperationFailed
from opsconsole.storage import FolderStore, sha256_of


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def publish(store: FolderStore, key: str, content: bytes, part: str = "1.1") -> None:
    with store.create(key, part=part) as writer:
        writer.write(content)
        writer.publish()


def test_what_was_not_published_leaves_nothing(store: FolderStore) -> None:
    with store.create("savings/data", part="1.1") as writer:
        writer.write(b"half")
    assert list((store.root / "savings").iterdir()) == []


def test_a_sweep_takes_the_parts_of_one_operation_only(store: FolderStore) -> None:
    for part in ("7.1", "7.2", "17.1"):
        os.close(os.dup(store.create("savings/data", part=part).fileno()))
    assert store.sweep("savings", part="7.1") == 1
    left = sorted(path.name for path in (store.root / "savings").iterdir())
    assert left == ["data.17.1.part", "data.7.2.part"]


def test_only_its_owner_can_read_it(store: FolderStore) -> None:
    publish(store, "savings/data", b"rows")
    assert stat.S_IMODE(store.path("savings/data").stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path("savings").stat().st_mode) == 0o700


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may grow past 64 KiB (SIGXFSZ is ignored by Python, so writing fails)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_a_foreseen_failure_with_the_next_step(store: FolderStore, small_files: None) -> None:
    with pytest.raises(OperationFailed) as failure, store.create("savings/data", part="1.1") as writer:
        writer.write(b"x" * (1 << 17))
    assert failure.value.code == "disk_full"
    assert failure.value.next_step
    assert list((store.root / "savings").iterdir()) == []


def test_a_digest_is_of_what_is_left_in_the_stream(store: FolderStore) -> None:
    publish(store, "savings/data", b"abc")
    with store.open("savings/data") as stream:
        assert sha256_of(stream) == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
