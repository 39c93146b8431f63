"""SQLite's sides: the live file, and the file that a backup holds, unpacked where nobody else looks."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from django.conf import settings

from lifecycle.backups.manifest import Manifest
from lifecycle.formats import sqlite_refusals
from lifecycle.formats.base import Archive
from lifecycle.formats.streams import plain_bytes
from lifecycle.loss.sides import Asked, Deadline, OutOfTime, Row, Shape, Side
from lifecycle.loss.times import from_any
from opsconsole.engines.base import Engine
from opsconsole.engines.sqlite import SqliteEngine, rows
from opsconsole.engines.sqlite.rows import Reading, framed
from opsconsole.exceptions import OpsError, Refused

PREFIX = "loss-"
OPENING_SECONDS = 5.0  # for what is read before rows are
FORGOTTEN_SECONDS = 3600.0  # what a killed process left unpacked is removed after this


class FileSide(Side):
    """One SQLite file."""

    loose_times: ClassVar[bool] = True

    def __init__(self, name: str, reading: Reading, at: datetime | None = None) -> None:
        self.name = name
        self.at = at
        self._reading = reading

    def counts(self) -> Mapping[str, tuple[int | None, bool]]:
        return {name: self._count(name) for name in self._reading.tables}

    def shapes(self) -> Mapping[str, Shape]:
        return {name: Shape(columns=table.columns, key=table.key) for name, table in self._reading.tables.items()}

    def rows(self, asked: Asked) -> Iterator[Row]:
        key = asked.shape.key if asked.shape.has_key else ()
        with _in_time():
            for cells, whole in self._reading.all_rows(asked.table, key):
                yield Row(whole if cells is None else cells, whole)

    def newest(self, asked: Asked) -> datetime | None:
        try:
            with _in_time():
                return from_any(self._reading.newest(asked.table, asked.time))
        except OutOfTime:
            return None

    def stream(self, asked: Asked, rows: Iterable[Row]) -> Iterator[bytes]:
        """Each row's cells behind their length."""
        return (framed(row.row) for row in rows)

    def sample(self, asked: Asked, wanted: int) -> list[Row]:
        with _in_time():
            found = self._reading.some_rows(asked.table, asked.shape.key, wanted)
        return [Row(cells, whole) for cells, whole in found if cells is not None]

    def find(self, asked: Asked, rows: Sequence[Row]) -> dict[bytes, bytes]:
        with _in_time():
            found = self._reading.rows_with(asked.table, asked.shape.key, [row.key for row in rows])
        return {cells: whole for cells, whole in found if cells is not None}

    def _count(self, name: str) -> tuple[int | None, bool]:
        try:
            with _in_time():
                return self._reading.count(name), True
        except OutOfTime:
            return None, False


class CountedSide(Side):
    """A backup that is not unpacked: the manifest tells its counts."""

    def __init__(self, name: str, manifest: Manifest, why: str) -> None:
        self.name = name
        self.at = datetime.fromisoformat(manifest.started_at)
        self.hidden_why = why
        self._rows = {table.name: table.rows for table in manifest.contents.tables}

    def counts(self) -> Mapping[str, tuple[int | None, bool]]:
        return {name: (count, True) for name, count in self._rows.items()}


@contextmanager
def beside_backup(
    live: Engine, archive: Archive, manifest: Manifest, name: str, deadline: Deadline
) -> Iterator[tuple[Side, Side]]:
    """The live database, and a backup that is about to take its place."""
    assert isinstance(live, SqliteEngine)
    at = datetime.fromisoformat(manifest.started_at)

    def left() -> float:
        return deadline.left

    with rows.live(live, deadline.seconds + OPENING_SECONDS, left) as reading:
        now = FileSide("the database", reading)
        try:
            path = _unpack(archive, manifest, deadline)
        except (OutOfTime, OpsError) as error:
            yield now, CountedSide(name, manifest, error.why)
            return
        try:
            with rows.unpacked(str(path), left) as copy:
                yield now, FileSide(name, copy, at)
        finally:
            shutil.rmtree(path.parent, ignore_errors=True)


def _unpack(archive: Archive, manifest: Manifest, deadline: Deadline) -> Path:
    """The backup's file in a private folder on the store's disk. Raises Refused or OperationFailed, or OutOfTime."""
    if manifest.contents.format != "native":
        raise Refused("not_compared", "the backup is portable, and its rows are not compared one by one")
    (stored,) = manifest.contents.objects
    if stored.plain_size > settings.LOSS_UNPACK_BYTES:
        raise Refused("too_large", f"the backup is larger than {settings.LOSS_UNPACK_BYTES >> 20} MiB")
    home = Path(settings.OPSCONSOLE_STORE) / "work"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    _forget(home)
    sqlite_refusals.require_space(home, stored.plain_size, "unpack the backup for a comparison")
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
    try:
        path = folder / "backup.sqlite"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for data in deadline.while_left(plain_bytes(archive, stored)):
                file.write(data)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return path


def _forget(home: Path) -> None:
    """Remove what a process that was killed while it unpacked has left."""
    for folder in home.glob(f"{PREFIX}*"):
        if time.time() - folder.stat().st_mtime > FORGOTTEN_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _in_time() -> Iterator[None]:
    try:
        yield
    except rows.TooSlow as slow:
        raise OutOfTime(slow.why) from None
