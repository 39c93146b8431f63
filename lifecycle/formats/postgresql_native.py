"""The native archive of PostgreSQL: the schema as a pg_dump archive, the rows as compressed COPY streams.

    schema.dump                      pg_dump -Fc, sections pre-data and post-data
    data/0001.public.users.001.bin.zst   COPY ... (FORMAT binary), zstd; one object a table, or one a chunk of it
    data/0002.public.notes.001.txt.zst   COPY ... (FORMAT text) for types whose binary form is not the same everywhere

All of it is one snapshot. It restores without the console: pg_restore --section=pre-data, `zstd -dc | psql -c COPY`
for each object with the manifest's columns, setval for each sequence, pg_restore --section=post-data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from lifecycle.formats.base import Archive, Contents, Progress, StoredObject, TableContent
from lifecycle.formats.postgresql_base import PostgresFormat, Staging, connector_of, source_facts
from lifecycle.formats.postgresql_custom import PostgresCustom
from lifecycle.formats.postgresql_objects import damaged, digest, expected, opener
from opsconsole.engines.base import Engine
from opsconsole.engines.postgresql import archives, catalogue, fingerprint, in_place, snapshot, tools
from opsconsole.engines.postgresql.connect import LONG, Connection
from opsconsole.engines.postgresql.copying import CopyWorkers, Task, workers_for
from opsconsole.engines.postgresql.snapshot import DataTable, Snapshot
from opsconsole.exceptions import OperationFailed
from opsconsole.storage import ObjectWriter

SCHEMA = "schema.dump"
SCHEMA_BYTES = 16 << 20  # far more than a schema needs
LEVEL = 1  # of zstd: higher ones cost more time than they save space on COPY streams


class PostgresNative(PostgresFormat):
    name: ClassVar[str] = "native"
    label: ClassVar[str] = "PostgreSQL native: schema archive and compressed COPY streams"

    def estimate_bytes(self, engine: Engine) -> int:
        with connector_of(engine).session() as session:
            return catalogue.table_bytes(session) + SCHEMA_BYTES

    # -- writing --------------------------------------------------------------------------------------------------

    def write(self, engine: Engine, archive: Archive, run: Progress) -> Contents:
        connector = connector_of(engine)
        with snapshot.taken(connector) as moment:
            who = catalogue.identity(moment.session)
            if reason := snapshot.unfit(moment.session, moment.tables):
                run.log(f"The native format cannot carry {reason}; pg_dump's custom format is used.")
                return PostgresCustom().write_snapshot(engine, archive, run, moment, fallback_reason=reason)
            for name in catalogue.foreign_tables(moment.session):
                run.log(f"The rows of {name} are kept on another server and are not in this backup.")
            found = tools.choose(who.version_number, tls=connector.needs_tls)
            argv = archives.schema_argv(found, moment.id)
            with archives.memory_file() as fd, archives.dumping(connector, argv, fd) as dump:
                tables, objects = self._write_rows(engine, archive, run, moment)
                dump.finish(run.check_cancel)
                schema = _publish_schema(archive, archives.content_of(fd), run)
            run.failpoint("backup.data_renamed")
            return Contents(
                format=self.name,
                format_version=1,
                objects=(schema, *objects),
                tables=tables,
                schema_fingerprint=fingerprint.digest(moment.session),
                sequences=snapshot.sequences(moment.session),
                source=source_facts(moment.session, who) | {"started_at": moment.started_at},
                tool={"path": str(found.pg_dump), "version": found.version},
                snapshot={"id": moment.id, "lsn": moment.lsn},
            )

    def _write_rows(
        self, engine: Engine, archive: Archive, run: Progress, moment: Snapshot
    ) -> tuple[tuple[TableContent, ...], tuple[StoredObject, ...]]:
        connector = connector_of(engine)
        writers: list[ObjectWriter] = []
        found: dict[str, tuple[StoredObject, int]] = {}
        total = sum(table.size for table in moment.tables)
        encoding = catalogue.identity(moment.session).details["encoding"]

        def tick(done: int) -> None:
            run.progress(min(done, total), total, "bytes", step="Copying rows")
            run.check_cancel()

        def opened(name: str) -> ObjectWriter:
            writers.append(archive.store.create(archive.key(name), part=archive.part))
            return writers[-1]

        names = {table: _object_names(number, table) for number, table in enumerate(moment.tables, 1)}
        tasks = [
            Task(
                name=key,
                size=table.size,
                open=lambda key=key: opened(key),  # type: ignore[misc]
                order={"do": "copy_out", "sql": statement.decode(), "level": LEVEL},
            )
            for table in moment.tables
            for key, statement in zip(names[table], table.statements(), strict=True)
        ]
        count = workers_for(tasks)
        opening = ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", f"SET TRANSACTION SNAPSHOT '{moment.id}'")
        settings = LONG | {"row_security": "off", "client_encoding": encoding, "synchronize_seqscans": "off"}
        try:
            with CopyWorkers(
                tick=tick, count=count, connector=connector, settings=settings, statements=opening
            ) as workers:
                for task, writer, facts in workers.run(tasks):
                    assert isinstance(writer, ObjectWriter)
                    writer.publish()
                    found[task.name] = _stored(task.name, facts), facts["rows"]
                    if len(found) == (len(tasks) + 1) // 2:
                        run.failpoint("backup.mid")
        finally:
            for writer in writers:
                writer.discard()
        tables = tuple(_table(table, names[table], found) for table in moment.tables)
        return tables, tuple(found[task.name][0] for task in tasks)

    # -- reading back ---------------------------------------------------------------------------------------------

    def read_through(self, archive: Archive, contents: Contents, run: Progress) -> None:
        objects = {item.key: item for item in contents.objects}
        total = sum(item.plain_size for item in contents.objects)

        def tick(done: int) -> None:
            run.progress(done, total, "bytes", step="Reading the backup through")
            run.check_cancel()

        _check_tables(contents, objects)
        read_schema(archive, objects[SCHEMA])
        tasks = [
            Task(
                name=item.key,
                size=item.size,
                open=opener(archive, item.key),
                order={"do": "read", "expected": expected(item)},
            )
            for item in contents.objects
            if item.key != SCHEMA
        ]
        with CopyWorkers(tick=tick, count=workers_for(tasks)) as workers:
            for _, handle, _ in workers.run(tasks):
                handle.close()

    # -- restoring ------------------------------------------------------------------------------------------------

    @contextmanager
    def archive_file(self, archive: Archive, contents: Contents, run: Progress) -> Iterator[int]:
        item = next(item for item in contents.objects if item.key == SCHEMA)
        with archives.memory_file(read_schema(archive, item)) as file:
            yield file

    def fill(self, target: Staging, archive: Archive, contents: Contents, run: Progress) -> None:
        with self.archive_file(archive, contents, run) as file:
            section = target.section(file)
            section("pre-data", tick=run.check_cancel)
            self._load(target, archive, contents, run)
            with target.connector.session(target.settings, database=target.name) as session:
                set_sequences(session, contents)
            run.log("Building indexes and keys.")
            with target.attended(run, "Building indexes and keys") as attendant:
                section("post-data", jobs=2, tick=attendant.tick)

    def _load(self, target: Staging, archive: Archive, contents: Contents, run: Progress) -> None:
        objects = {item.key: item for item in contents.objects}
        total = sum(item.plain_size for item in contents.objects)
        with target.connector.session(database=target.name) as session:
            places = _places(session)
        tasks = [
            Task(
                name=key,
                size=objects[key].plain_size,
                open=opener(archive, key),
                order={
                    "do": "copy_in",
                    "sql": _load_statement(table, key, places).decode(),
                    "expected": expected(objects[key]),
                },
            )
            for table in contents.tables
            for key in table.objects
        ]
        tasks.sort(key=lambda task: -task.size)

        def tick(done: int) -> None:
            run.progress(done, total, "bytes", step="Loading rows")
            run.check_cancel()

        settings = dict(target.settings) | {"client_encoding": str(contents.source["encoding"])}
        half, loaded = (len(tasks) + 1) // 2, 0
        workers = CopyWorkers(
            tick=tick, count=workers_for(tasks), connector=target.connector, database=target.name, settings=settings
        )
        with workers:
            for _, handle, _ in workers.run(tasks):
                handle.close()
                loaded += 1
                if loaded == half:
                    run.failpoint("restore.staging_half")

    def refill(self, target: Staging, session: Connection, archive: Archive, contents: Contents, run: Progress) -> None:
        objects = {item.key: item for item in contents.objects}
        total, done = sum(item.plain_size for item in contents.objects), 0
        places, encoding = _places(session), str(contents.source["encoding"])
        pairs = [(table, key) for table in contents.tables for key in table.objects]

        def tick(plain: int) -> None:
            run.progress(done + plain, total, "bytes", step="Loading rows")
            run.check_cancel()

        for number, (table, key) in enumerate(pairs, 1):
            with archive.store.open(archive.key(key)) as stream:
                statement = _load_statement(table, key, places)
                in_place.load(
                    session, statement, stream.fileno(), encoding=encoding, expected=expected(objects[key]), tick=tick
                )
            done += objects[key].plain_size
            if number == (len(pairs) + 1) // 2:
                run.failpoint("inplace.mid")
        set_sequences(session, contents)


def set_sequences(session: Connection, contents: Contents) -> None:
    """Give every sequence its value of the snapshot."""
    for name, value in contents.sequences.items():
        last, _, called = value.partition(",")
        session.execute("SELECT setval(%s::regclass, %s, %s)", (name, int(last), called == "true"))


def read_schema(archive: Archive, item: StoredObject) -> bytes:
    """The schema archive, checked and parsed. Raises OperationFailed("backup_damaged")."""
    try:
        with archive.store.open(archive.key(item.key)) as stream:
            data = stream.read(item.size + 1)
    except FileNotFoundError:
        raise damaged(item.key, "it is missing") from None
    if len(data) != item.size or digest(data) != item.sha256:
        raise damaged(item.key, "it differs from the manifest")
    with archives.memory_file(data) as file:
        archives.toc(tools.newest(), file)
    return data


def _publish_schema(archive: Archive, data: bytes, run: Progress) -> StoredObject:
    with archive.store.create(archive.key(SCHEMA), part=archive.part) as writer:
        writer.write(data)
        run.failpoint("backup.before_fsync")
        writer.publish()
    whole = digest(data)
    return StoredObject(
        key=SCHEMA,
        size=len(data),
        sha256=whole,
        plain_size=len(data),
        plain_sha256=whole,
        compression="none",
        chunks=(whole,),
    )


def _object_names(number: int, table: DataTable) -> list[str]:
    """Keys that people can read, and a running number: signs that the store does not take are written as `_`."""
    readable = re.sub(r"[^A-Za-z0-9_.-]", "_", table.full_name)[:100].replace("..", "__")
    kind = "bin" if table.binary else "txt"
    return [f"data/{number:04d}.{readable}.{chunk:03d}.{kind}.zst" for chunk, _ in enumerate(table.statements(), 1)]


def _stored(key: str, facts: Mapping[str, Any]) -> StoredObject:
    return StoredObject(
        key=key,
        size=facts["size"],
        sha256=facts["sha256"],
        plain_size=facts["plain_size"],
        plain_sha256=facts["plain_sha256"],
        compression="zstd",
        chunks=tuple(facts["chunks"]),
    )


def _table(table: DataTable, keys: list[str], found: Mapping[str, tuple[StoredObject, int]]) -> TableContent:
    return TableContent(
        name=table.full_name,
        rows=sum(found[key][1] for key in keys),
        objects=tuple(keys),
        columns=table.columns,
        digest=joineddigest([found[key][0] for key in keys]),
    )


def joineddigest(objects: list[StoredObject]) -> str:
    """The plain digest of one object; of several, the digest over theirs, one a line."""
    if len(objects) == 1:
        return objects[0].plain_sha256
    return digest("".join(item.plain_sha256 + "\n" for item in objects).encode())


def _check_tables(contents: Contents, objects: Mapping[str, StoredObject]) -> None:
    """Every table's objects are listed, and its digest follows from theirs."""
    if SCHEMA not in objects:
        raise damaged(SCHEMA, "the manifest does not list it")
    for table in contents.tables:
        parts = [objects[key] for key in table.objects if key in objects]
        if len(parts) != len(table.objects) or joineddigest(parts) != table.digest:
            raise damaged(table.name, "its parts do not fit together")


def _places(session: Connection) -> dict[str, tuple[str, str]]:
    """Schema and name by full name; names that read alike never come into a native backup."""
    return {table.full_name: (table.schema, table.name) for table in catalogue.tables(session, exact=False)}


def _load_statement(table: TableContent, key: str, places: Mapping[str, tuple[str, str]]) -> bytes:
    if table.name not in places:
        raise OperationFailed(
            "schema_differs",
            f"The schema archive did not bring the table {table.name}.",
            "Restore from another backup.",
        )
    return snapshot.load_statement(*places[table.name], table.columns, binary=key.endswith(".bin.zst"))
