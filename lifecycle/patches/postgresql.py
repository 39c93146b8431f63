"""Reading and putting back the patch of a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lifecycle.backups.manifest import Manifest
from lifecycle.formats.base import Archive, Progress, StoredObject, TableContent
from lifecycle.formats.postgresql_base import connector_of
from lifecycle.formats.streams import plain_bytes
from lifecycle.loss.postgresql import BINARY, DatabaseSide, Reader
from lifecycle.loss.sides import Asked, Row, Side
from lifecycle.patches.counting import require
from opsconsole.engines.base import Engine, TargetLock
from opsconsole.engines.postgresql import in_place, patching
from opsconsole.engines.postgresql.moment import moment, stored_tables

SECONDS = 60.0  # for one statement of a plan


@contextmanager
def side_of(live: Engine, patch: Manifest) -> Iterator[Side]:
    """The live database, to look rows of the patch up."""
    encoding = str(patch.contents.source.get("encoding", ""))
    with moment(connector_of(live), lambda: SECONDS, encoding=encoding) as now:
        yield DatabaseSide("the database", now)


def rows(asked: Asked, archive: Archive, item: StoredObject) -> Iterator[Row]:
    """The rows of one object."""
    return Reader(asked).rows(plain_bytes(archive, item))


def apply(
    live: Engine, lock: TargetLock, archive: Archive, patch: Manifest, expected: Mapping[str, int], run: Progress,
    *, skip: bool,
) -> None:  # fmt: skip
    """Put everything back in one transaction. Raises OperationFailed when other than the expected rows went in."""
    objects = {item.key: item for item in patch.contents.objects}
    by_name = {table.name: table for table in patch.contents.tables}
    with in_place.transaction(connector_of(live)) as session:
        run.recheck()
        places = {name: (found.schema, found.name) for name, found in stored_tables(session).items()}
        named = {places[name]: table for name, table in by_name.items()}
        encoding = str(patch.contents.source.get("encoding") or "UTF8")
        session.execute("SELECT set_config('client_encoding', %s, true)", (encoding,))
        for place in patching.parents_first(session, list(named)):
            table = named[place]
            blocks = plain_bytes(archive, objects[table.objects[0]])
            binary = _form(patch, table) == BINARY
            went = patching.insert(session, place, table.columns, blocks, binary=binary, skip=skip)
            require(table, went, expected)
            run.check_cancel()
        patching.settle(session)
        for place in named:
            patching.raise_sequences(session, place)
        lock.confirm()
        witness = in_place.own_number(session)
        run.failpoint("reapply.before_commit")
        run.before_commit(witness=witness)
        in_place.commit(session)
    run.after_commit()
    run.failpoint("reapply.committed")


def _form(patch: Manifest, table: TableContent) -> str:
    return str(patch.contents.source["shapes"][table.name]["form"])
