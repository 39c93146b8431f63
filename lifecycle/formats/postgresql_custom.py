"""pg_dump's custom format: one archive that pg_restore reads by itself. It carries everything that pg_dump can."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, ClassVar

from backports import zstd

from lifecycle.formats.base import WHOLE, Archive, Contents, Prepared, Progress, Scope, StoredObject, TableContent
from lifecycle.formats.postgresql_base import PostgresFormat, Staging, connector_of, source_facts
from lifecycle.formats.postgresql_compare import Archived, fact_differences, row_differences
from lifecycle.formats.postgresql_objects import ticker
from lifecycle.formats.streams import ArchiveWriter, damaged, plain_bytes
from opsconsole import process
from opsconsole.engines.base import Engine
from opsconsole.engines.postgresql import archives, catalogue, fingerprint, in_place, snapshot, tools
from opsconsole.engines.postgresql.archives import Tool
from opsconsole.engines.postgresql.connect import Connection
from opsconsole.engines.postgresql.copying import Task
from opsconsole.engines.postgresql.snapshot import Snapshot
from opsconsole.engines.postgresql.tools import Tools
from opsconsole.storage import chunks_of, disk_errors

TICK_SECONDS = 0.2
SPARE_BYTES = 16 << 20
ENCODING = "UTF8"  # in which pg_dump writes rows here (tools.environment), whatever the database's own is
PLAIN, PACKED = "database.dump", "database.dump.zst"  # packed by pg_dump itself, or by us


class PostgresCustom(PostgresFormat):
    name: ClassVar[str] = "custom"
    label: ClassVar[str] = "pg_dump custom archive"

    def estimate_bytes(self, engine: Engine) -> int:
        with connector_of(engine).session() as session:
            return catalogue.table_bytes(session) + SPARE_BYTES

    # -- writing --------------------------------------------------------------------------------------------------

    def write_from(
        self,
        moment: Snapshot,
        engine: Engine,
        archive: Archive,
        run: Progress,
        scope: Scope = WHOLE,
        *,
        fallback_reason: str = "",
    ) -> Contents:
        """Rows are counted in the snapshot while pg_dump runs."""
        connector = connector_of(engine)
        who = catalogue.identity(moment.session)
        found = tools.choose(who.version_number, tls=connector.needs_tls)
        names = [(table.schema, table.name) for table in moment.tables]
        total = sum(table.size for table in moment.tables)
        with ThreadPoolExecutor(1) as beside:
            counting = beside.submit(catalogue.counts, moment.session, names)
            try:
                stored = self._dump(engine, archive, run, found, archives.custom_argv(found, moment.id), total)
                while not counting.done():
                    wait([counting], TICK_SECONDS)
                    run.check_cancel()
            except BaseException:
                moment.session.cancel_safe(timeout=5.0)
                raise
            counted = counting.result()
        run.failpoint("backup.data_renamed")
        return Contents(
            format=self.name,
            format_version=1,
            objects=(stored,),
            fallback_reason=fallback_reason,
            tables=tuple(
                TableContent(
                    name=table.full_name, rows=counted[table.schema, table.name], digest="", columns=table.columns
                )
                for table in moment.tables
            ),
            schema_fingerprint=fingerprint.digest(moment.session),
            sequences=snapshot.sequences(moment.session),
            source=source_facts(moment.session, who) | {"started_at": moment.started_at},
            tool={"path": str(found.pg_dump), "version": found.version},
            snapshot={"id": moment.id, "lsn": moment.lsn},
        )

    def _dump(
        self, engine: Engine, archive: Archive, run: Progress, found: Tools, argv: Sequence[str | Path], total: int
    ) -> StoredObject:
        tick = ticker(run, "Dumping", total)
        key = PLAIN if archives.packs_zstd(found) else PACKED
        with ArchiveWriter(archive, key) as writer:
            sink = _Sink(writer, pack=key == PACKED)
            with archives.dumping(connector_of(engine), argv, process.PIPE) as dump:
                for block in chunks_of(dump.output(run.check_cancel)):
                    sink.take(block)
                    tick(writer.counted.plain_size)
                dump.finish(run.check_cancel)
            run.failpoint("backup.mid")
            stored = sink.end()
            run.failpoint("backup.before_fsync")
            writer.publish()
        return stored

    # -- reading back ---------------------------------------------------------------------------------------------

    def read_through(self, archive: Archive, contents: Contents, run: Progress) -> None:
        (item,) = contents.objects
        tick = ticker(run, "Reading the backup through", item.plain_size)
        with archives.parsing(tools.newest()) as parser, closing(plain_bytes(archive, item, tick)) as blocks:
            try:
                for data in blocks:
                    parser.feed(data, tick=run.check_cancel)
                parser.end_of_feed()
            except BrokenPipeError:
                for _unread in blocks:  # that the bytes are not those stored says more than what it made of them
                    run.check_cancel()
                parser.finish(run.check_cancel)  # it says why it stopped reading
                raise damaged(item.key, "pg_restore stopped reading it") from None
            parser.finish(run.check_cancel)

    # -- restoring ------------------------------------------------------------------------------------------------

    @contextmanager
    def archive_file(self, archive: Archive, contents: Contents, run: Progress) -> Iterator[int]:
        (item,) = contents.objects
        with tempfile.TemporaryFile(dir=run.workdir) as file:
            with (
                disk_errors(f"the unpacked {item.key}"),
                closing(plain_bytes(archive, item, lambda done: run.check_cancel())) as blocks,
            ):
                file.writelines(blocks)
                file.flush()
            yield file.fileno()

    def fill(self, target: Staging, archive: Archive, contents: Contents, run: Progress) -> None:
        with self.archive_file(archive, contents, run) as file:
            section = target.section(file)
            section("pre-data", tick=run.check_cancel)
            run.log("Loading rows.")
            with target.attended(run, "Loading rows") as attendant:
                section("data", jobs=2, tick=attendant.tick)
            run.failpoint("restore.staging_half")
            target.build_keys(file, run)

    def differences(
        self, engine: Engine, archive: Archive, contents: Contents, prepared: Prepared, run: Progress
    ) -> list[str]:
        target = Staging(connector_of(engine), prepared.name, contents)
        with self.archive_file(archive, contents, run) as file:
            return self._row_differences(target, contents, file, run) + fact_differences(target, contents, run, file)

    def rows_beside(
        self, engine: Engine, archive: Archive, contents: Contents, prepared: Prepared, run: Progress
    ) -> list[str]:
        target = Staging(connector_of(engine), prepared.name, contents)
        with self.archive_file(archive, contents, run) as file:
            return self._row_differences(target, contents, file, run)

    def _row_differences(self, target: Staging, contents: Contents, file: int, run: Progress) -> list[str]:
        with archives.rows_as_sql(target.tools, file) as rows:
            task = Task(
                name="the archive",
                size=contents.objects[0].plain_size,
                open=lambda: _output(rows),
                order={"do": "digest_dump"},
            )
            archived = Archived(tasks=[task], encoding=ENCODING)
            found = row_differences(target, contents, run, archived)
            rows.finish(run.check_cancel)
        return found

    def refill(self, target: Staging, session: Connection, archive: Archive, contents: Contents, run: Progress) -> None:
        tick = ticker(run, "Loading rows", contents.objects[0].plain_size)
        with self.archive_file(archive, contents, run) as file, archives.rows_as_sql(target.tools, file) as rows:
            in_place.load_sql(session, rows.output(run.check_cancel), tick)
            rows.finish(run.check_cancel)
        run.failpoint("inplace.mid")


class _Sink:
    """Takes pg_dump's bytes, packs them when pg_dump could not, and writes them."""

    def __init__(self, writer: ArchiveWriter, *, pack: bool) -> None:
        self._writer = writer
        self._packer = zstd.ZstdCompressor(level=1) if pack else None

    def take(self, block: bytes) -> None:
        self._writer.counted.plain(block)
        self._writer.write(self._packer.compress(block) if self._packer else block)

    def end(self) -> StoredObject:
        if self._packer:
            self._writer.write(self._packer.flush())
        return self._writer.stored("zstd" if self._packer else "none")


def _output(tool: Tool) -> IO[bytes]:
    assert tool.child.stdout is not None
    return tool.child.stdout
