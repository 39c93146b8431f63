"""What the tests of SQLite backups do again and again."""

from __future__ import annotations

from pathlib import Path

from backports import zstd

from lifecycle.formats.base import Archive, Contents
from lifecycle.formats.sqlite_native import OBJECT, SqliteNative
from tests.support import sqlite_files as files
from tests.support.fake_run import FakeRun

FORMAT = SqliteNative()


def restore(path: Path, archive: Archive, contents: Contents, run: FakeRun) -> None:
    """A whole restore under the lock, as the kind does it."""
    engine = files.engine(path, label=run.label)
    with engine.hold() as lock:
        prepared = FORMAT.prepare(engine, archive, contents, run, method="swap")
        FORMAT.publish(engine, lock, archive, contents, prepared, run)


def unpacked(archive: Archive, path: Path) -> Path:
    """The backup's file, unpacked without our code."""
    path.write_bytes(zstd.decompress(archive.store.open(archive.key(OBJECT)).read()))
    return path
