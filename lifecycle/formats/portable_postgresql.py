"""The portable backup of PostgreSQL: JSON documents that the server writes row by row, and the schema by pg_dump."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from lifecycle.documents.portable import head_of
from lifecycle.formats import portable
from lifecycle.formats.base import PART, SCRATCH, WHOLE, Archive, Contents, Prepared, Progress, Scope
from lifecycle.formats.portable import Source
from lifecycle.formats.portable_postgresql_rows import (
    archived_rows,
    chosen_tables,
    digests_of,
    load_rows,
    orders_for,
    recipients_of,
    write_rows,
)
from lifecycle.formats.postgresql_base import Staging, connector_of, source_facts
from lifecycle.formats.postgresql_compare import row_differences, sequence_differences
from lifecycle.formats.postgresql_native import (
    SCHEMA_BYTES,
    PostgresNative,
    publish_schema,
    read_schema,
    tell_foreign_tables,
)
from lifecycle.formats.postgresql_refusals import Refusals
from opsconsole.engines.base import Engine
from opsconsole.engines.postgresql import archives, catalogue, fingerprint, snapshot, tools
from opsconsole.engines.postgresql.connect import Connection
from opsconsole.engines.postgresql.snapshot import Snapshot
from opsconsole.exceptions import OperationFailed

_NEEDS_ALL_ROWS = ("FK CONSTRAINT ", "MATERIALIZED VIEW DATA ")


class PortablePostgres(PostgresNative):
    name: ClassVar[str] = portable.NAME
    label: ClassVar[str] = portable.LABEL
    divides: ClassVar[bool] = True

    def estimate_bytes(self, engine: Engine) -> int:
        with connector_of(engine).session() as session:
            return 2 * catalogue.table_bytes(session) + SCHEMA_BYTES

    # -- writing and reading back ---------------------------------------------------------------------------------

    def write_from(
        self, moment: Snapshot, engine: Engine, archive: Archive, run: Progress, scope: Scope = WHOLE
    ) -> Contents:
        connector, who = connector_of(engine), catalogue.identity(moment.session)
        _require_text(who.details["encoding"])
        tell_foreign_tables(moment, run)
        chosen, part = chosen_tables(moment, scope)
        if part:
            run.log(f"This backup is of a part: {part}.")
        found = tools.choose(who.version_number, tls=connector.needs_tls)
        head = portable.heading(self.engine, portable.rfc3339(datetime.fromisoformat(moment.started_at)))
        sources = [Source(name=t.table.full_name, columns=t.table.columns, types=t.types) for t in chosen]
        keys = portable.keys_of(sources, scope)
        argv = archives.schema_argv(found, moment.id)
        with archives.memory_file() as fd, archives.dumping(connector, argv, fd) as dump:
            orders = orders_for(chosen, sources, keys, {"head": head_of(head).decode(), **recipients_of(archive)})
            written = write_rows(connector, archive, run, moment, chosen, orders)
            dump.finish(run.check_cancel)
            schema = publish_schema(archive, archives.content_of(fd), run)
        summary = portable.summary_of(head, sources, written)
        index = [portable.publish_summary(archive, summary, list(keys.values()))] if scope.apart else []
        run.failpoint("backup.data_renamed")
        return Contents(
            format=self.name,
            format_version=portable.VERSION,
            objects=(schema, *index, *written.objects.values()),
            tables=portable.contents_of_tables(sources, keys, written, digests_of(keys, written)),
            schema_fingerprint=fingerprint.digest(moment.session),
            sequences=snapshot.sequences(moment.session),
            source=source_facts(moment.session, who)
            | {"started_at": moment.started_at}
            | portable.facts_of(summary, scope, part),
            tool={"path": str(found.pg_dump), "version": found.version},
            snapshot={"id": moment.id, "lsn": moment.lsn},
        )

    def read_through(self, archive: Archive, contents: Contents, run: Progress) -> None:
        read_schema(archive, contents)
        portable.read_index(archive, contents)
        portable.read_rows(archive, contents, run)

    # -- restoring ------------------------------------------------------------------------------------------------

    def refusals(self, engine: Engine, contents: Contents, *, method: str, overwrite: bool) -> Refusals:
        part = [portable.refuse_part(contents)] if method != SCRATCH and contents.source.get(PART) else []
        return part or super().refusals(engine, contents, method=method, overwrite=overwrite)

    def load(self, target: Staging, archive: Archive, contents: Contents, run: Progress) -> None:
        settings = dict(target.settings) | {"client_encoding": "UTF8"}
        with target.connector.session(settings, database=target.name) as session:
            load_rows(session, archive, contents, run, "restore.staging_half")

    def load_in_place(self, session: Connection, archive: Archive, contents: Contents, run: Progress) -> None:
        session.execute("SET LOCAL client_encoding = 'UTF8'")
        load_rows(session, archive, contents, run, "inplace.mid")

    def build_keys(self, target: Staging, file: int, contents: Contents, run: Progress) -> None:
        """Without what cannot hold while rows of other tables are missing, where they are."""
        if not contents.source.get(PART):
            super().build_keys(target, file, contents, run)
            return
        run.log("Building indexes and keys, without foreign keys: it is a part of a database.")
        entries = [line for line in archives.toc(target.tools, file) if not _needs_all_rows(line)]
        section = target.section(file)
        with target.attended(run, "Building indexes and keys") as attendant:
            for jobs, some in archives.stages(entries):
                section("post-data", jobs=jobs, tick=attendant.tick, entries=some)

    def differences(
        self, engine: Engine, archive: Archive, contents: Contents, prepared: Prepared, run: Progress
    ) -> list[str]:
        if not contents.source.get(PART):
            return super().differences(engine, archive, contents, prepared, run)
        target = Staging(connector_of(engine), prepared.name, contents)
        with target.connector.session(database=target.name) as session:
            sequences = snapshot.sequences(session)
        return [
            *self.row_differences(target, archive, contents, run),
            *sequence_differences(contents.sequences, sequences),
        ]

    def row_differences(self, target: Staging, archive: Archive, contents: Contents, run: Progress) -> list[str]:
        return row_differences(target, contents, run, archived_rows(target, archive, contents))


def _needs_all_rows(line: str) -> bool:
    entry = line.split("; ", 1)[1].split(" ", 2)[2]
    return entry.startswith(_NEEDS_ALL_ROWS)


def _require_text(encoding: str) -> None:
    if encoding == "SQL_ASCII":
        raise OperationFailed(
            "encoding",
            "The database is in SQL_ASCII, so nobody can say what its bytes mean as text.",
            "Take a native backup (format=native), which keeps them as they are.",
        )
