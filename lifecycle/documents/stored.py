"""A document out of a folder of a store: a portable backup of ours, or an upload that a reader has understood.

The objects of `contents.tables` are portable documents (see `portable`), packed with zstd: one a table, or one that
holds several. The summary's tables stand in the order of `contents.tables`, whose names are the engine's: a document
says "users" where PostgreSQL has the table public.users. A portable backup keeps its summary in
`contents.source["document"]`, and its schema beside the rows, in objects that no table names.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from backports import zstd

from lifecycle.documents.base import Document, Row, Summary, summary_from
from lifecycle.documents.portable import lines_of, row_of
from lifecycle.formats.base import Archive, Contents, StoredObject
from lifecycle.formats.streams import plain_bytes, readable
from opsconsole.exceptions import OperationFailed
from opsconsole.storage import disk_errors

SUMMARY = "document"  # in Contents.source


def open_stored(
    archive: Archive, contents: Contents, *, summary: Summary | None = None, workdir: Path | None = None
) -> Document:
    """The document; nothing is read yet. `summary` where the contents do not hold it (an upload's is in its row).

    Where one object holds several tables, asking for a table reads all of it; with `workdir` (private, removed by
    whoever gives it) that happens once, and the tables lie apart there from then on. Raises
    OperationFailed("document_damaged") when contents and summary do not fit.
    """
    try:
        found = summary or summary_from(contents.source[SUMMARY])
        objects = {table.name: held.objects for table, held in zip(found.tables, contents.tables, strict=True)}
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(f"its summary cannot be read ({error!r})") from error
    return _Stored(archive, contents, found, objects, workdir)


class _Stored(Document):
    def __init__(
        self,
        archive: Archive,
        contents: Contents,
        summary: Summary,
        objects: dict[str, tuple[str, ...]],
        workdir: Path | None,
    ) -> None:
        self.summary = summary
        self._archive, self._objects, self._workdir = archive, objects, workdir
        self._by_key = {item.key: item for item in contents.objects}
        uses = Counter(key for keys in objects.values() for key in keys)
        self._shared = {key for key, used in uses.items() if used > 1}
        self._apart: dict[str, dict[str, Path]] = {}  # by object and table, once they lie in `workdir`

    def rows(self, table: str) -> Iterator[Row]:
        for key in self._objects[self.summary.table(table).name]:
            for line in self._lines(key, table):
                yield row_of(line, table)

    def _lines(self, key: str, table: str) -> Iterator[bytes]:
        if self._workdir is not None and key in self._shared:
            if key not in self._apart:
                self._apart[key] = self._take_apart(key, self._workdir)
            path = self._apart[key].get(table)
            return _spooled(path) if path else iter(())
        return (line for name, line in self._all(key) if name == table and line is not None)

    def _all(self, key: str) -> Iterator[tuple[str, bytes | None]]:
        """(table, line) of one object, every byte of it checked by the end."""
        with _of_a_document(), closing(plain_bytes(self._archive, self._stored(key))) as blocks:
            yield from lines_of(readable(blocks))

    def _take_apart(self, key: str, workdir: Path) -> dict[str, Path]:
        """Each table of an object as a file of lines."""
        paths: dict[str, Path] = {}
        folder = workdir / f"document-{os.urandom(6).hex()}"
        folder.mkdir(mode=0o700)
        with disk_errors(str(folder)), ExitStack() as stack:
            for table, line in self._all(key):
                if line is None:
                    if table in paths:
                        raise _damaged(f"it holds {table} twice")
                    stack.close()
                    paths[table] = folder / f"{len(paths) + 1:04d}"
                    packed = stack.enter_context(zstd.ZstdFile(paths[table], "wb", level=1))
                    file = stack.enter_context(io.BufferedWriter(packed, 1 << 18))
                else:
                    file.write(line + b"\n")
        return paths

    def _stored(self, key: str) -> StoredObject:
        try:
            return self._by_key[key]
        except KeyError:
            raise _damaged(f"the manifest does not list {key}") from None


def _spooled(path: Path) -> Iterator[bytes]:
    if not path.stat().st_size:
        return  # of an empty table; zstd writes nothing then
    with zstd.ZstdFile(path) as file:
        for line in file:
            yield line[:-1]


@contextmanager
def _of_a_document() -> Iterator[None]:
    """An object that is damaged is a document that is."""
    try:
        yield
    except OperationFailed as error:
        if error.code != "backup_damaged":
            raise
        raise OperationFailed("document_damaged", error.why, error.next_step) from error


def _damaged(how: str) -> OperationFailed:
    return OperationFailed("document_damaged", f"The document is damaged: {how}.", "Use another copy of it.")
