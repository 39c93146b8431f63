"""The native archive of PostgreSQL: the schema as a pg_dump archive, the rows as compressed COPY streams.

    schema.dump                          pg_dump -Fc, sections pre-data and post-data
    data/0001.public.users.001.bin.zst   COPY ... (FORMAT binary), zstd; one object a table, or one a chunk of it
    data/0002.public.notes.001.txt.zst   COPY ... (FORMAT text) for types whose binary form is not the same everywhere

All of it is one snapshot. It restores without the console: pg_restore --section=pre-data, `zstd -dc | psql -c COPY`
for each object with the manifest's columns, setval for each sequence, pg_restore --section=post-data.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from lifecycle.formats.base import WHOLE, Archive, Contents, Prepared, Progress, Scope, StoredObject
from lifecycle.formats.postgresql_base import PostgresFormat, Staging, connector_of, source_facts
from lifecycle.formats.postgresql_compare import fact_differences, row_differences
from lifecycle.formats.postgresql_custom import PostgresCustom
from lifecycle.formats.postgresql_rows import (
    archived_rows,
    by_key,
    load_rows,
    load_rows_in_place,
    read_rows,
    set_sequences,
    write_rows,
)
from lifecycle.formats.streams import ArchiveWriter, damaged, plain_bytes
from opsconsole.engines.base import Engine
from opsconsole.engines.postgresql import archives, catalogue, fingerprint, snapshot, tools
from opsconsole.engines.postgresql.connect import Connection
from opsconsole.engines.postgresql.snapshot import Snapshot

SCHEMA = "schema.dump"
SCHEMA_BYTES = 16 << 20  # far more than a schema needs


class PostgresNative(PostgresFormat):
    name: ClassVar[str] = "native"
    label: ClassVar[str] = "PostgreSQL native: schema archive and compressed COPY streams"

    def estimate_bytes(self, engine: Engine) -> int:
        with connector_of(engine).session() as session:
            return catalogue.table_bytes(session) + SCHEMA_BYTES

    # -- writing and reading back ---------------------------------------------------------------------------------

    def write_from(
        self, moment: Snapshot, engine: Engine, archive: Archive, run: Progress, scope: Scope = WHOLE
    ) -> Contents:
        connector = connector_of(engine)
        who = catalogue.identity(moment.session)
        if reason := snapshot.unfit(moment.session, moment.tables):
            run.log(f"The native format cannot carry {reason}; pg_dump's custom format is used.")
            return PostgresCustom().write_from(moment, engine, archive, run, fallback_reason=reason)
        tell_foreign_tables(moment, run)
        found = tools.choose(who.version_number, tls=connector.needs_tls)
        argv = archives.schema_argv(found, moment.id)
        with archives.memory_file() as fd, archives.dumping(connector, argv, fd) as dump:
            tables, objects = write_rows(connector, archive, run, moment)
            dump.finish(run.check_cancel)
            schema = publish_schema(archive, archives.content_of(fd), run)
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

    def read_through(self, archive: Archive, contents: Contents, run: Progress) -> None:
        read_schema(archive, contents)
        read_rows(archive, contents, [item.key for item in contents.objects if item.key != SCHEMA], run)

    # -- restoring ------------------------------------------------------------------------------------------------

    @contextmanager
    def archive_file(self, archive: Archive, contents: Contents, run: Progress) -> Iterator[int]:
        with archives.memory_file(read_schema(archive, contents)) as file:
            yield file

    def fill(self, target: Staging, archive: Archive, contents: Contents, run: Progress) -> None:
        with self.archive_file(archive, contents, run) as file:
            target.section(file)("pre-data", tick=run.check_cancel)
            self.load(target, archive, contents, run)
            with target.connector.session(target.settings, database=target.name) as session:
                set_sequences(session, contents)
            self.build_keys(target, file, contents, run)

    def differences(
        self, engine: Engine, archive: Archive, contents: Contents, prepared: Prepared, run: Progress
    ) -> list[str]:
        target = Staging(connector_of(engine), prepared.name, contents)
        with self.archive_file(archive, contents, run) as file:
            return [
                *self.row_differences(target, archive, contents, run),
                *fact_differences(target, contents, run, file),
            ]

    def load(self, target: Staging, archive: Archive, contents: Contents, run: Progress) -> None:
        """Load the rows into tables without keys. Failpoint: restore.staging_half."""
        load_rows(target, archive, contents, run)

    def load_in_place(self, session: Connection, archive: Archive, contents: Contents, run: Progress) -> None:
        """The same in the transaction of `session`. Failpoint: inplace.mid."""
        load_rows_in_place(session, archive, contents, run)

    def build_keys(self, target: Staging, file: int, contents: Contents, run: Progress) -> None:
        """Indexes, keys, triggers; `file` is a descriptor of the schema archive."""
        target.build_keys(file, run)

    def row_differences(self, target: Staging, archive: Archive, contents: Contents, run: Progress) -> list[str]:
        """How the tables of a copy differ from the archive, in words."""
        return row_differences(target, contents, run, archived_rows(target, archive, contents))

    def rows_beside(
        self, engine: Engine, archive: Archive, contents: Contents, prepared: Prepared, run: Progress
    ) -> list[str]:
        target = Staging(connector_of(engine), prepared.name, contents)
        return self.row_differences(target, archive, contents, run)

    def refill(self, target: Staging, session: Connection, archive: Archive, contents: Contents, run: Progress) -> None:
        self.load_in_place(session, archive, contents, run)
        set_sequences(session, contents)


def tell_foreign_tables(moment: Snapshot, run: Progress) -> None:
    """Say which tables have their rows elsewhere."""
    for name in catalogue.foreign_tables(moment.session):
        run.log(f"The rows of {name} are kept on another server and are not in this backup.")


def read_schema(archive: Archive, contents: Contents) -> bytes:
    """The schema archive, checked and parsed. Raises OperationFailed("backup_damaged")."""
    item = by_key(contents).get(SCHEMA)
    if item is None:
        raise damaged(SCHEMA, "the manifest does not list it")
    data = b"".join(plain_bytes(archive, item))
    with archives.memory_file(data) as file:
        archives.toc(tools.newest(), file)
    return data


def publish_schema(archive: Archive, data: bytes, run: Progress) -> StoredObject:
    with ArchiveWriter(archive, SCHEMA) as writer:
        writer.counted.plain(data)
        writer.write(data)
        run.failpoint("backup.before_fsync")
        stored = writer.stored("none")
        writer.publish()
    return stored
