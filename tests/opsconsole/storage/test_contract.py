"""What every store does: only complete objects can be seen, and what was published never changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from opsconsole import process
from opsconsole.exceptions import Refused
from opsconsole.storage import FolderStore, Store
from opsconsole.storage.s3 import S3Store
from tests.support.servers import S3Server

PART_BYTES = 5 << 20  # the smallest that S3 takes
LARGE = b"0123456789abcdef" * (6 << 16) + b"the end"  # more than a part


@pytest.fixture(params=["folder", "s3", "s3 without conditions"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "store")
    server: S3Server = request.getfixturevalue("s3_server")
    conditional = None if request.param == "s3" else False
    return S3Store(server.place(prefix="team/ops/", part_bytes=PART_BYTES, conditional=conditional))


def publish(store: Store, key: str, content: bytes, part: str = "1.1") -> None:
    with store.create(key, part=part) as writer:
        writer.write(content)
        writer.publish()


def unfinished(store: Store) -> list[Any]:
    """What lies in the store unpublished."""
    if isinstance(store, FolderStore):
        return list(store.root.rglob("*.part"))
    assert isinstance(store, S3Store)
    keys = [key for key, _ in store._listed("") if key.endswith(".part")]
    return keys + store._client.list_multipart_uploads(Bucket=store.place.bucket).get("Uploads", [])


@pytest.mark.parametrize("content", [b"", b"rows", LARGE, b"x" * PART_BYTES], ids=["none", "few", "two parts", "one"])
def test_what_was_published_can_be_read(store: Store, content: bytes) -> None:
    publish(store, "savings/12/data", content)
    with store.open("savings/12/data") as stream:
        assert stream.read(3) + stream.read() == content
    assert store.size("savings/12/data") == len(content)
    assert store.keys("savings") == ["savings/12/data"]
    assert unfinished(store) == []


@pytest.mark.parametrize("content", [b"half", LARGE], ids=["few", "two parts"])
def test_an_object_is_invisible_until_it_is_published_and_gone_when_it_is_not(store: Store, content: bytes) -> None:
    with pytest.raises(ZeroDivisionError), store.create("savings/data", part="1.1") as writer:
        writer.write(content)
        writer.sync()
        assert store.keys("savings") == []
        with pytest.raises(FileNotFoundError):
            store.open("savings/data")
        raise ZeroDivisionError
    assert store.keys("savings") == []
    assert unfinished(store) == []


@pytest.mark.parametrize("content", [b"second", LARGE], ids=["few", "two parts"])
def test_a_published_object_is_never_replaced(store: Store, content: bytes) -> None:
    publish(store, "savings/data", b"first", part="1.1")
    with pytest.raises(FileExistsError), store.create("savings/data", part="1.2") as writer:
        writer.write(content)
        writer.publish()
    with store.open("savings/data") as stream:
        assert stream.read() == b"first"
    assert unfinished(store) == []


def test_children_write_and_read_the_bytes_themselves(store: Store, tmp_path: Path) -> None:
    (tmp_path / "given").write_bytes(LARGE)
    with store.create("savings/data", part="1.1") as writer:
        child = process.spawn(["cat", tmp_path / "given"], stdout=writer.fileno())
        assert child.wait() == 0
        writer.publish()
    with (tmp_path / "got").open("wb") as got, store.open("savings/data") as stream:
        assert process.spawn(["cat"], stdin=stream.fileno(), stdout=got.fileno()).wait() == 0
    assert (tmp_path / "got").read_bytes() == LARGE


def test_a_reader_may_leave_before_the_end(store: Store) -> None:
    publish(store, "savings/data", LARGE)
    with store.open("savings/data") as stream:
        assert os.read(stream.fileno(), 4) == LARGE[:4]


def test_a_sweep_takes_what_one_operation_left_and_no_more(store: Store) -> None:
    for part in ("7.1", "7.2", "17.1"):
        writer = store.create("savings/data", part=part)
        writer.write(LARGE)
        writer.sync()
    assert store.sweep("savings", part="7.1") == 1
    assert store.sweep("savings", part="7.1") == 0
    assert len(unfinished(store)) in (2, 4)  # an S3 store has a marker and an upload for each
    assert store.sweep("savings", part="7.2") + store.sweep("savings", part="17.1") == 2
    assert unfinished(store) == []
    assert store.keys("savings") == []


def test_folders_and_keys_are_listed_at_their_depth(store: Store) -> None:
    for key in ("backups/a/1-1/x", "backups/a/2-1/data/y", "backups/b/3-1/x", "backups-of-old/a/1-1/x"):
        publish(store, key, b"")
    assert store.folders("backups", depth=2) == ["backups/a/1-1", "backups/a/2-1", "backups/b/3-1"]
    assert store.keys("backups/a") == ["backups/a/1-1/x", "backups/a/2-1/data/y"]
    assert store.folders("patches", depth=2) == store.keys("patches") == []


def test_what_is_deleted_is_gone_and_may_be_deleted_again(store: Store) -> None:
    publish(store, "savings/data", b"x")
    store.delete("savings/data")
    store.delete("savings/data")
    store.remove_folder("savings")
    assert store.keys("savings") == store.folders("savings", depth=1) == []
    with pytest.raises(FileNotFoundError):
        store.size("savings/data")


def test_looking_closely_leaves_nothing_behind(store: Store) -> None:
    facts = store.examine()
    assert facts.refuses_doubles  # moto heeds conditions, whatever it was told to be tried with
    assert facts.unfinished == 0
    assert facts.free_bytes is None or facts.free_bytes > 0
    assert unfinished(store) == []


@pytest.mark.parametrize("key", ["../out", "/etc/passwd", "a/../../b", "a//b", "", "a\0b", "data.1.1.part", "a/.."])
def test_a_key_that_could_leave_the_store_is_refused(store: Store, key: str) -> None:
    for act in (lambda: store.create(key, part="1.1"), lambda: store.open(key), lambda: store.size(key)):
        with pytest.raises(Refused) as refusal:
            act()
        assert refusal.value.code == "bad_key"
