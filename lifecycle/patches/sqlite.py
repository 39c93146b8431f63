"""Reading and putting back the patch of an SQLite database."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lifecycle.backups.manifest import Manifest
from lifecycle.formats.base import Archive, Progress, StoredObject
from lifecycle.formats.streams import plain_bytes
from lifecycle.loss.sides import Asked, Row, Side
from lifecycle.loss.sqlite import FileSide
from lifecycle.patches.counting import require
from opsconsole.engines.base import Engine, TargetLock
from opsconsole.engines.sqlite import SqliteEngine, patching
from opsconsole.engines.sqlite import rows as stored
from opsconsole.engines.sqlite.cells import split

SECONDS = 60.0  # for a plan


@contextmanager
def side_of(live: Engine, patch: Manifest) -> Iterator[Side]:
    """The live database, to look rows of the patch up."""
    assert isinstance(live, SqliteEngine)
    with stored.live(live, SECONDS, lambda: SECONDS) as reading:
        yield FileSide("the database", reading)


def rows(asked: Asked, archive: Archive, item: StoredObject) -> Iterator[Row]:
    """The rows of one object."""
    places = [asked.shape.names.index(name) for name in asked.shape.key] if asked.shape.has_key else []
    for cells in stored.unframed(plain_bytes(archive, item)):
        parts = split(cells) if places else []
        yield Row(b"|".join(parts[place] for place in places) if places else cells, cells)


def apply(
    live: Engine, lock: TargetLock, archive: Archive, patch: Manifest, expected: Mapping[str, int], run: Progress,
    *, skip: bool,
) -> None:  # fmt: skip
    """Put everything back in one transaction. Raises OperationFailed when other than the expected rows went in."""
    assert isinstance(live, SqliteEngine)
    objects = {item.key: item for item in patch.contents.objects}
    token, identity = secrets.token_hex(16), live.identity().key
    with patching.transaction(live) as into:
        run.recheck()
        for table in patch.contents.tables:
            cells = stored.unframed(plain_bytes(archive, objects[table.objects[0]]))
            require(table, into.insert(table.name, table.columns, cells, skip=skip), expected)
            run.check_cancel()
        into.settle()
        into.mark(run.operation_id, run.fence, token)
        lock.confirm()
        run.failpoint("reapply.before_commit")
        run.before_commit(witness={"identity": identity, "token": token})
        into.commit()
    run.after_commit()
    run.failpoint("reapply.committed")
