"""What the portable format ("json") is on every engine: documents that any JSON reader reads, with the schema beside.

    document.json.zst             every table in one document (see lifecycle/documents/portable.py), or
    tables/0001.users.json.zst    one document a table, and
    summary.json                  what lies where, with rows and types
    schema.dump, schema.json      how the tables are defined, for a restore that begins with nothing

A document names the tables of PostgreSQL's schema public without the schema. Rows are written by the database itself,
as lifecycle/documents/values.py reads them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lifecycle.documents import portable, stored
from lifecycle.documents.base import Document, DocumentTable, Summary, summary_from, summary_json
from lifecycle.formats.base import PART, Archive, Contents, Progress, Scope, StoredObject, TableContent
from lifecycle.formats.streams import ArchiveWriter, damaged, plain_bytes, readable
from opsconsole.exceptions import OperationFailed

NAME, LABEL = "json", "Portable JSON: documents that any JSON reader reads"
FORMAT, VERSION = "portable", 1  # of the summary, and of the contents
DOCUMENT, SUMMARY = "document.json.zst", "summary.json"
LEVEL = 1  # of zstd: higher ones made larger files of such lines when it was measured
CHECK_ROWS = 1000  # rows between two looks at whether the run was cancelled


@dataclass(frozen=True, kw_only=True)
class Source:
    """One table to write. `name` is `Table.full_name`."""

    name: str
    columns: tuple[str, ...]
    types: Mapping[str, str]

    @property
    def shown(self) -> str:
        """What a document calls it."""
        bare = self.name.removeprefix("public.")
        return self.name if "." in bare else bare


@dataclass
class Written:
    """What has been written: rows by table, and the objects."""

    rows: dict[str, int] = field(default_factory=dict)  # by `Source.name`
    objects: dict[str, StoredObject] = field(default_factory=dict)


def keys_of(sources: Sequence[Source], scope: Scope) -> dict[str, str]:
    """The object of each table, by `Source.name`."""
    if not scope.apart:
        return {source.name: DOCUMENT for source in sources}
    return {
        source.name: f"tables/{number:04d}.{_plain(source.shown)}.json.zst" for number, source in enumerate(sources, 1)
    }


def heading(engine: str, taken_at: str) -> Summary:
    """The summary of a document whose tables are not known yet. `taken_at` is RFC 3339."""
    return Summary(format=FORMAT, label="Portable JSON", tables=(), exported_at=taken_at, engine=engine)


def summary_of(head: Summary, sources: Sequence[Source], written: Written) -> Summary:
    """The summary once the rows are counted."""
    tables = tuple(
        DocumentTable(
            name=source.shown, columns=source.columns, rows=written.rows[source.name], types=dict(source.types)
        )
        for source in sources
    )
    return Summary(**{**vars(head), "tables": tables})


def publish_summary(archive: Archive, summary: Summary, keys: Sequence[str]) -> StoredObject:
    """Write `summary.json`, for people and programs that know nothing of manifests."""
    told = {
        "version": summary.version,
        "versionName": summary.version_name,
        "exportedAt": summary.exported_at,
        "rows": summary.rows,
        "tables": {
            table.name: {"rows": table.rows, "file": key, "columns": dict(table.types)}
            for table, key in zip(summary.tables, keys, strict=True)
        },
    }
    return publish_small(archive, SUMMARY, json.dumps(told, ensure_ascii=False, indent=1).encode() + b"\n")


def publish_small(archive: Archive, key: str, data: bytes) -> StoredObject:
    """Write an object that fits into memory, as it is."""
    with ArchiveWriter(archive, key) as writer:
        writer.counted.plain(data)
        writer.write(data)
        stored_object = writer.stored("none")
        writer.publish()
    return stored_object


def read_small(archive: Archive, contents: Contents, key: str) -> bytes:
    """Such an object, checked. Raises OperationFailed("backup_damaged")."""
    item = next((item for item in contents.objects if item.key == key), None)
    if item is None:
        raise damaged(key, "the manifest does not list it")
    return b"".join(plain_bytes(archive, item))


def contents_of_tables(
    sources: Sequence[Source], keys: Mapping[str, str], written: Written, digests: Mapping[str, str]
) -> tuple[TableContent, ...]:
    return tuple(
        TableContent(
            name=source.name,
            rows=written.rows[source.name],
            digest=digests.get(source.name, ""),
            objects=(keys[source.name],),
            columns=source.columns,
        )
        for source in sources
    )


def facts_of(summary: Summary, scope: Scope, part: str) -> dict[str, Any]:
    """What goes into `Contents.source`."""
    return {
        stored.SUMMARY: json.loads(json.dumps(summary_json(summary))),  # as it comes back from a manifest
        "layout": "one file a table" if scope.apart else "one file",
        **({PART: part} if part else {}),
    }


def part_of(scope: Scope, chosen: int, of: int, left_out: Sequence[str] = ()) -> str:
    """What a backup leaves out, in words; "" for nothing."""
    if not scope.rows:
        return "the schema only"
    some = [f"{chosen} of {of} tables"] if chosen < of else []
    return ", ".join([*some, *(f"without {words}" for words in left_out)])


def document_of(archive: Archive, contents: Contents, run: Progress) -> Document:
    """The document of a backup, taken apart in the run's own folder where that saves reading."""
    return stored.open_stored(archive, contents, workdir=run.workdir)


def summary_in(contents: Contents) -> Summary:
    """The summary that a backup keeps. Raises OperationFailed("backup_damaged")."""
    try:
        return summary_from(contents.source[stored.SUMMARY])
    except (KeyError, TypeError) as error:
        raise damaged("manifest.json", f"it has no summary of the document ({error!r})") from error


def read_index(archive: Archive, contents: Contents) -> None:
    """Check `summary.json`, where there is one. Raises OperationFailed("backup_damaged")."""
    if any(item.key == SUMMARY for item in contents.objects):
        read_small(archive, contents, SUMMARY)


def refuse_part(contents: Contents) -> tuple[str, str, str]:
    """Why a part of a database cannot take the place of all of it."""
    why = f"The backup is of a part ({contents.source[PART]}), so it cannot take the place of a whole database."
    return "part", why, "Load it into the tables that are there (mode=replace or mode=merge), or use another backup."


@contextmanager
def damage_of(what: str) -> Iterator[None]:
    """A damaged document is a damaged backup."""
    try:
        yield
    except OperationFailed as error:
        if error.code != "document_damaged":
            raise
        raise damaged(what, error.why) from error


def read_rows(archive: Archive, contents: Contents, run: Progress) -> None:
    """Read every row of every object, and compare the counts. Raises OperationFailed("backup_damaged")."""
    summary = summary_in(contents)
    keys = {item.key: item for item in contents.objects if item.key.endswith(".json.zst")}
    wanted: dict[str, dict[str, int]] = {key: {} for key in keys}
    for table, held in zip(summary.tables, contents.tables, strict=True):
        wanted.setdefault(held.objects[0], {})[table.name] = held.rows
    total, done = sum(item.plain_size for item in keys.values()), 0
    for key, tables in wanted.items():
        if key not in keys:
            raise damaged(key, "the manifest does not list it")
        found = _counted(archive, keys[key], _ticker(run, done, total))
        if found != tables:
            raise damaged(key, "it holds other tables or other numbers of rows than the manifest says")
        done += keys[key].plain_size


def _counted(archive: Archive, item: StoredObject, tick: Callable[[int], None]) -> dict[str, int]:
    """Rows by table of one object, every one of which could be read."""
    with damage_of(item.key), closing(plain_bytes(archive, item)) as blocks:
        return portable.counts_of(readable(_told(blocks, tick)))


def _told(blocks: Iterator[bytes], tick: Callable[[int], None]) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        tick(size)
        yield block


def _ticker(run: Progress, done: int, total: int) -> Callable[[int], None]:
    def tick(size: int) -> None:
        run.check_cancel()
        run.progress(min(done + size, total), total, "bytes", step="Reading the backup through")

    return tick


def rfc3339(moment: datetime) -> str:
    """In UTC, with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _plain(name: str) -> str:
    """Signs that a key cannot have are written as `_`."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:100].replace("..", "__").strip(".") or "_"
