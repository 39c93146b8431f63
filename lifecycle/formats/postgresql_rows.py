"""The rows of a native archive: one compressed COPY stream an object, written, checked and loaded by copy workers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from lifecycle.formats.base import Archive, Contents, Progress, StoredObject, TableContent
from lifecycle.formats.postgresql_base import Staging
from lifecycle.formats.postgresql_compare import Archived, places_of_arrays
from lifecycle.formats.postgresql_objects import digest, opener, reading_order, ticker
from lifecycle.formats.streams import damaged, expected, stored_object
from opsconsole.engines.object_bytes import AGE
from opsconsole.engines.postgresql import catalogue, in_place, snapshot
from opsconsole.engines.postgresql.connect import LONG, Connection, Connector
from opsconsole.engines.postgresql.copying import CopyWorkers, Task, workers_for
from opsconsole.engines.postgresql.snapshot import DataTable, Snapshot
from opsconsole.exceptions import OperationFailed
from opsconsole.storage import ObjectWriter

LEVEL = 1  # of zstd: higher ones cost more time than they save space on COPY streams
Written = Mapping[str, tuple[StoredObject, int]]  # by key: the object, and the rows in it


def write_rows(
    connector: Connector, archive: Archive, run: Progress, moment: Snapshot
) -> tuple[tuple[TableContent, ...], tuple[StoredObject, ...]]:
    """Copy every table of a snapshot, biggest first; objects are published as they are done. Failpoint: backup.mid."""
    names = {table: _keys(number, table) for number, table in enumerate(moment.tables, 1)}
    writers: list[ObjectWriter] = []
    tasks = [task for table in moment.tables for task in _copy_tasks(table, names[table], archive, writers)]
    encoding = catalogue.identity(moment.session).details["encoding"]
    workers = CopyWorkers(
        tick=ticker(run, "Copying rows", sum(table.size for table in moment.tables)),
        count=workers_for(tasks),
        connector=connector,
        settings=LONG | {"row_security": "off", "client_encoding": encoding, "synchronize_seqscans": "off"},
        statements=("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", f"SET TRANSACTION SNAPSHOT '{moment.id}'"),
    )
    written: dict[str, tuple[StoredObject, int]] = {}
    try:
        with workers:
            for task, writer, facts in workers.run(tasks):
                writer.publish()
                encryption = AGE if archive.recipients else ""
                item = stored_object(task.name, "zstd", encryption, facts["chunks"], facts)
                written[task.name] = item, facts["rows"]
                at_half(run, "backup.mid", len(written), len(tasks))
    finally:
        for writer in writers:
            writer.discard()
    tables = tuple(_content(table, names[table], written) for table in moment.tables)
    return tables, tuple(written[task.name][0] for task in tasks)


def read_rows(archive: Archive, contents: Contents, keys: Iterable[str], run: Progress) -> None:
    """Unpack objects to their ends and compare. Raises OperationFailed("backup_damaged")."""
    objects = by_key(contents)
    _check_tables(contents, objects)
    tasks = [_task(archive, objects[key], {"do": "read"}) for key in keys]
    tick = ticker(run, "Reading the backup through", sum(task.size for task in tasks))
    with CopyWorkers(tick=tick, count=workers_for(tasks)) as workers:
        for _, stream, _ in workers.run(tasks):
            stream.close()


def load_rows(target: Staging, archive: Archive, contents: Contents, run: Progress) -> None:
    """Load every object into its table, biggest first. Failpoint: restore.staging_half."""
    objects = by_key(contents)
    with target.connector.session(database=target.name) as session:
        tasks = [
            _task(archive, objects[key], {"do": "copy_in", "sql": statement})
            for key, statement in _statements(session, contents)
        ]
    tasks.sort(key=lambda task: -task.size)
    workers = CopyWorkers(
        tick=ticker(run, "Loading rows", sum(task.size for task in tasks)),
        count=workers_for(tasks),
        connector=target.connector,
        database=target.name,
        settings=dict(target.settings) | {"client_encoding": str(contents.source["encoding"])},
    )
    with workers:
        for number, (_, stream, _) in enumerate(workers.run(tasks), 1):
            stream.close()
            at_half(run, "restore.staging_half", number, len(tasks))


def archived_rows(target: Staging, archive: Archive, contents: Contents) -> Archived:
    """How to digest the rows of every object, to compare them with those of a restored copy."""
    objects, places = by_key(contents), places_of_arrays(target, contents)
    tables = {key: table.name for table in contents.tables for key in table.objects}
    binary = {name: is_binary(key) for key, name in tables.items()}
    arrays = {name: places[name] if binary[name] else [] for name in binary}
    orders = {
        key: {"do": "digest_object", "binary": binary[name], "arrays": arrays[name]} for key, name in tables.items()
    }
    tasks = [_task(archive, objects[key], order) for key, order in orders.items()]
    encoding = str(contents.source["encoding"])
    return Archived(tasks=tasks, encoding=encoding, binary=binary, arrays=arrays, tables=tables)


def load_rows_in_place(session: Connection, archive: Archive, contents: Contents, run: Progress) -> None:
    """Load every object in the transaction of `session`. Failpoint: inplace.mid."""
    objects, done = by_key(contents), 0
    statements = _statements(session, contents)
    tick = ticker(run, "Loading rows", sum(objects[key].plain_size for key, _ in statements))
    load = partial(in_place.load, session, encoding=str(contents.source["encoding"]))
    for number, (key, statement) in enumerate(statements, 1):
        item = objects[key]
        with opener(archive, key)() as stream:
            load(
                statement.encode(), stream.fileno(), expected=expected(item),
                identities=archive.identities if item.encryption else None, tick=partial(_after, tick, done),
            )  # fmt: skip
        done += item.plain_size
        at_half(run, "inplace.mid", number, len(statements))


def set_sequences(session: Connection, contents: Contents) -> None:
    """Give every sequence its value of the snapshot."""
    for name, value in contents.sequences.items():
        last, _, called = value.partition(",")
        session.execute("SELECT setval(%s::regclass, %s, %s)", (name, int(last), called == "true"))


def at_half(run: Progress, failpoint: str, number: int, of: int) -> None:
    if number == (of + 1) // 2:
        run.failpoint(failpoint)


def is_binary(key: str) -> bool:
    """The form of the rows in an object."""
    return key.endswith(".bin.zst")


def by_key(contents: Contents) -> dict[str, StoredObject]:
    return {item.key: item for item in contents.objects}


def _after(tick: Callable[[int], None], done: int, plain: int) -> None:
    tick(done + plain)


def _task(archive: Archive, item: StoredObject, order: Mapping[str, Any]) -> Task:
    whole = {**order, **reading_order(archive, item)}
    return Task(name=item.key, size=item.plain_size, open=opener(archive, item.key), order=whole)


def _copy_tasks(table: DataTable, keys: list[str], archive: Archive, writers: list[ObjectWriter]) -> list[Task]:
    def create(key: str) -> ObjectWriter:
        writers.append(archive.store.create(archive.key(key), part=archive.part))
        return writers[-1]

    recipients = {"recipients": list(archive.recipients)} if archive.recipients else {}
    orders = [{"do": "copy_out", "sql": text.decode(), "level": LEVEL, **recipients} for text in table.statements()]
    size = table.size // len(orders)
    return [
        Task(name=key, size=size, open=partial(create, key), order=order)
        for key, order in zip(keys, orders, strict=True)
    ]


def _keys(number: int, table: DataTable) -> list[str]:
    """Keys that people can read, and a running number: signs that the store does not take are written as `_`."""
    readable = re.sub(r"[^A-Za-z0-9_.-]", "_", table.full_name)[:100].replace("..", "__")
    kind = "bin" if table.binary else "txt"
    return [f"data/{number:04d}.{readable}.{chunk:03d}.{kind}.zst" for chunk, _ in enumerate(table.statements(), 1)]


def _content(table: DataTable, keys: list[str], written: Written) -> TableContent:
    return TableContent(
        name=table.full_name,
        rows=sum(written[key][1] for key in keys),
        objects=tuple(keys),
        columns=table.columns,
        digest=_joined([written[key][0] for key in keys]),
    )


def _joined(objects: list[StoredObject]) -> str:
    """The plain digest of one object; of several, the digest over theirs, one a line."""
    if len(objects) == 1:
        return objects[0].plain_sha256
    return digest("".join(item.plain_sha256 + "\n" for item in objects).encode())


def _check_tables(contents: Contents, objects: Mapping[str, StoredObject]) -> None:
    """Every table's objects are listed, and its digest follows from theirs."""
    for table in contents.tables:
        parts = [objects[key] for key in table.objects if key in objects]
        if len(parts) != len(table.objects) or _joined(parts) != table.digest:
            raise damaged(table.name, "its parts do not fit together")


def _statements(session: Connection, contents: Contents) -> list[tuple[str, str]]:
    """(key, COPY ... FROM STDIN) of every object. Raises OperationFailed when the schema lacks a table."""
    places = {table.full_name: (table.schema, table.name) for table in catalogue.tables(session, exact=False)}
    if absent := [table.name for table in contents.tables if table.name not in places]:
        raise OperationFailed(
            "schema_differs",
            f"The schema archive did not bring the table {absent[0]}.",
            "Restore from another backup.",
        )
    return [
        (key, _load(*places[table.name], table.columns, binary=is_binary(key)))
        for table in contents.tables
        for key in table.objects
    ]


def _load(schema: str, name: str, columns: tuple[str, ...], *, binary: bool) -> str:
    return snapshot.load_statement(schema, name, columns, binary=binary).decode()
