"""The portable backup of SQLite: JSON documents written from a copy of the file, and the definitions beside them.

Rows of virtual tables (full-text indexes) are not in it; what is defined over other tables is made again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from lifecycle.documents.base import Document, Summary
from lifecycle.documents.portable import DocumentWriter
from lifecycle.formats import portable
from lifecycle.formats.base import PART, SCRATCH, WHOLE, Archive, Contents, Progress, Scope
from lifecycle.formats.portable import Source, Written
from lifecycle.formats.sqlite_native import Copy, SqliteNative, contents_of, own, require_sound
from lifecycle.formats.sqlite_putting import paced
from lifecycle.formats.streams import ArchiveWriter, CompressingWriter, damaged
from opsconsole.engines.base import Engine
from opsconsole.engines.sqlite import building, examine, json_rows
from opsconsole.engines.sqlite.building import Definitions
from opsconsole.engines.sqlite.examine import Examination

SCHEMA = "schema.json"


class PortableSqlite(SqliteNative):
    name: ClassVar[str] = portable.NAME
    label: ClassVar[str] = portable.LABEL
    divides: ClassVar[bool] = True

    def estimate_bytes(self, engine: Engine) -> int:
        return 2 * super().estimate_bytes(engine)

    def write_from(
        self, moment: Copy, engine: Engine, archive: Archive, run: Progress, scope: Scope = WHOLE
    ) -> Contents:
        made_of, types = building.definitions(moment.path), building.stored_types(moment.path)
        sources = [Source(name=name, columns=tuple(types[name]), types=types[name]) for name in scope.of(list(types))]
        part = portable.part_of(scope, len(sources), len(types), _left_out(moment.path))
        keys = portable.keys_of(sources, scope)
        head = portable.heading(self.engine, portable.rfc3339(moment.taken_at))
        with examine.examining(moment.path, full=False, digests=True) as examiner:
            schema = portable.publish_small(archive, SCHEMA, _told(made_of))
            written = _write(moment.path, archive, run, sources, keys, head)
            found = examiner.result(paced(run, "tables", "check"))
        require_sound(found)
        summary = portable.summary_of(head, sources, written)
        index = [portable.publish_summary(archive, summary, list(keys.values()))] if scope.apart else []
        run.failpoint("backup.data_renamed")
        whole = contents_of(self.name, own(engine), (), found, moment.journal_mode)
        return replace(
            whole,
            format_version=portable.VERSION,
            objects=(schema, *index, *written.objects.values()),
            tables=portable.contents_of_tables(sources, keys, written, _digests(found)),
            source={**whole.source, **portable.facts_of(summary, scope, part)},
        )

    def read_through(self, archive: Archive, contents: Contents, run: Progress) -> None:
        _definitions(archive, contents)
        portable.read_index(archive, contents)
        portable.read_rows(archive, contents, run)

    def refusals(
        self, engine: Engine, contents: Contents, *, method: str, overwrite: bool
    ) -> list[tuple[str, str, str]]:
        part = [portable.refuse_part(contents)] if method != SCRATCH and contents.source.get(PART) else []
        return part or super().refusals(engine, contents, method=method, overwrite=overwrite)

    def unpack(self, archive: Archive, contents: Contents, path: Path, descriptor: int, run: Progress) -> None:
        """Build the file anew, which the native backup holds as it was."""
        os.close(descriptor)
        made_of, document = _definitions(archive, contents), portable.document_of(archive, contents, run)
        done, total = 0, sum(table.rows for table in contents.tables)
        with building.building(path, run.check_cancel) as file:
            file.begin(made_of)
            for number, (shown, held) in enumerate(zip(document.summary.tables, contents.tables, strict=True), 1):
                with portable.damage_of("its rows"):
                    file.fill(held.name, held.columns, _rows(document, shown.name, held.columns, run, done, total))
                done += held.rows
                if number == (len(contents.tables) + 1) // 2:
                    run.failpoint("restore.staging_half")
            file.finish(made_of, contents.sequences)


def _write(
    path: Path, archive: Archive, run: Progress, sources: Sequence[Source], keys: dict[str, str], head: Summary
) -> Written:
    """Have a child read the rows; what it writes becomes the objects. Failpoint: backup.mid."""
    written, total = Written(), path.stat().st_size
    with json_rows.reading(path, [source.name for source in sources]) as rows, ExitStack() as stack:
        opened: _Object | None = None
        for number, (name, blocks) in enumerate(rows.tables(), 1):
            if opened is None or opened.key != keys[name]:
                if opened is not None:
                    written.objects[opened.key] = opened.publish(run)
                opened = stack.enter_context(_Object(archive, keys[name], head))
            opened.document.table(_shown(sources, name))
            written.rows[name] = 0
            for block, count in blocks:
                opened.document.line(block)
                written.rows[name] += count
                run.check_cancel()
                run.progress(min(opened.size, total), total, "bytes", step="Writing rows as JSON")
            if number == (len(sources) + 1) // 2:
                run.failpoint("backup.mid")
        opened = opened or stack.enter_context(_Object(archive, portable.DOCUMENT, head))
        written.objects[opened.key] = opened.publish(run)
    return written


class _Object:
    """One document on its way into the store."""

    def __init__(self, archive: Archive, key: str, head: Summary) -> None:
        self.key = key
        self._writer = ArchiveWriter(archive, key)
        self._packer = CompressingWriter(self._writer)
        self.document = DocumentWriter(self._packer.write, head)

    def __enter__(self) -> _Object:
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)

    @property
    def size(self) -> int:
        return self._packer.plain_size

    def publish(self, run: Progress) -> Any:
        self.document.finish()
        stored = self._packer.finish()
        run.failpoint("backup.before_fsync")
        self._writer.publish()
        return stored


def _rows(
    document: Document, table: str, columns: Sequence[str], run: Progress, done: int, total: int
) -> Iterator[list[Any]]:
    for number, row in enumerate(document.rows(table), 1):
        try:
            yield [row[name] for name in columns]
        except KeyError as error:
            raise damaged(table, f"a row lacks the column {error}") from error
        if number % portable.CHECK_ROWS == 0:
            run.check_cancel()
            run.progress(done + number, total, "rows", step="Loading rows")


def _digests(found: Examination) -> dict[str, str]:
    """The digest of each table's stored cells, which a copy is compared by."""
    return {table.name: table.digest for table in found.tables}


def _left_out(path: Path) -> list[str]:
    virtual = building.virtual_tables(path)
    return [f"the rows of the virtual tables {', '.join(virtual)}"] if virtual else []


def _shown(sources: Sequence[Source], name: str) -> str:
    return next(source.shown for source in sources if source.name == name)


def _told(made_of: Definitions) -> bytes:
    objects = [{"type": kind, "name": name, "sql": sql} for kind, name, sql in made_of.objects]
    return json.dumps({"pragmas": dict(made_of.facts), "objects": objects}, ensure_ascii=False, indent=1).encode()


def _definitions(archive: Archive, contents: Contents) -> Definitions:
    """What `schema.json` says. Raises OperationFailed("backup_damaged")."""
    data = portable.read_small(archive, contents, SCHEMA)
    try:
        told = json.loads(data)
        objects = tuple((str(each["type"]), str(each["name"]), str(each["sql"])) for each in told["objects"])
        return Definitions(facts=dict(told["pragmas"]), objects=objects)
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(SCHEMA, f"it cannot be read ({error!r})") from error
