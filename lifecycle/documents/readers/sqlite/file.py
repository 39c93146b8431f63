"""An SQLite file from anywhere: copied, checked to the last page, and read without running what it defines."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle.documents.readers.refusals import unreadable
from lifecycle.documents.readers.sqlite.content import Content
from lifecycle.documents.readers.sqlite.exports import Found
from lifecycle.documents.reading import Findings, Heading, Reader, SourceFile

if TYPE_CHECKING:
    from opsconsole.engines.sqlite.untrusted import Defined, Untrusted

MAGIC = b"SQLite format 3\0"
HEADER = 100
_WAL_HEADER = 32
_COMPANIONS = ("-wal", "-shm", "-journal")
_KNOWN_MODULES = {"fts3", "fts4", "fts5", "rtree", "rtree_i32"}
_MODULE = re.compile(r"\bUSING\s+\"?(\w+)", re.IGNORECASE)
_MOST_NAMES = 5


class SqliteFile(Reader):
    """A database file, with its write-ahead log beside it where there is one."""

    name = "sqlite-file"
    label = "SQLite file"

    def recognises(self, files: Sequence[SourceFile]) -> bool:
        return _main(files) is not None

    def rows(self, files: Sequence[SourceFile], findings: Findings) -> Found:
        # Here, not above: this loads the engines, which only this format and the dumps of SQLite need.
        from opsconsole.engines.sqlite.untrusted import fold_wal, untrusted_file

        main = _main(files)
        assert main is not None
        findings.heading = Heading(engine="sqlite")
        beside = {file.name.removeprefix(main.name): file for file in files if file is not main}
        if "-journal" in beside and beside["-journal"].size:
            findings.refuse(
                "mid_write", "The file was copied in the middle of a write: its journal is beside it.", _COPY
            )
            return
        with tempfile.TemporaryDirectory(dir=".") as folder:
            path = Path(folder) / "file"
            _copy(main, path)
            if "-wal" in beside and beside["-wal"].size > _WAL_HEADER:
                _copy(beside["-wal"], Path(f"{path}-wal"))
                _tell_folded(fold_wal(str(path)), findings)
            elif _in_wal_mode(main):
                findings.warn(
                    "wal_not_given",
                    "The file was written with a write-ahead log, which is not here: the newest rows may be in it.",
                    f"Give {main.name}-wal as well. {_COPY}",
                )
            _require_whole(path)
            with untrusted_file(str(path)) as database:
                yield from _read(database, findings)


_COPY = "Copy a live database with sqlite3's .backup or VACUUM INTO, never with cp."


def _read(database: Untrusted, findings: Findings) -> Found:
    schema = database.schema()
    if not _usable(schema, findings):
        return
    virtual = any(item.is_virtual for item in schema)
    # A check of the whole file would hand it over to the code of virtual tables.
    tables = [item.name for item in schema if item.kind == "table" and not item.is_virtual] if virtual else None
    if damage := database.damage(tables):
        found = "; ".join(damage[:3])[:500]
        findings.refuse("corrupt", f"The file is damaged: {found}.", "Use another copy, or rescue it with .recover.")
        return
    yield from Content(database, findings).rows()


def _usable(schema: list[Defined], findings: Findings) -> bool:
    """Tell what is defined beside tables. Virtual tables of unknown code make a file unusable."""
    for kind in ("trigger", "view"):
        if names := [item.name for item in schema if item.kind == kind]:
            findings.note("definitions", f"It defines {_listed(kind, names)}. Nothing of it is run or taken over.")
    for item in (item for item in schema if item.is_virtual):
        module = _MODULE.search(item.sql)
        if not module or module[1].lower() not in _KNOWN_MODULES:
            findings.refuse(
                "virtual_table",
                f"{item.name} is a virtual table of code that is not known here.",
                "Drop it in a copy of the file, and give that.",
            )
            return False
        findings.warn("not_taken_over", f"{item.name} is a search index (virtual table); it is not read.")
    return True


def _listed(kind: str, names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{len(names)} {kind}{'s' if len(names) > 1 else ''} ({', '.join(names[:_MOST_NAMES])}{more})"


def _main(files: Sequence[SourceFile]) -> SourceFile | None:
    """The database among files that belong together."""
    found = [file for file in files if file.beginning(len(MAGIC)) == MAGIC]
    if len(found) != 1:
        return None
    companions = {found[0].name + suffix for suffix in _COMPANIONS}
    return found[0] if {file.name for file in files} - {found[0].name} <= companions else None


def _in_wal_mode(file: SourceFile) -> bool:
    return file.beginning(HEADER)[18:20] == b"\x02\x02"


def _copy(file: SourceFile, path: Path) -> None:
    with file.open() as stream, path.open("xb") as copy:
        shutil.copyfileobj(stream, copy, 1 << 20)


def _require_whole(path: Path) -> None:
    """The header tells how many pages there are (https://www.sqlite.org/fileformat.html, section 1.3)."""
    with path.open("rb") as stream:
        header = stream.read(HEADER)
    if len(header) < HEADER:
        raise unreadable("The file ends within its header.")
    page = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big") if header[24:28] == header[92:96] else 0
    expected = pages * (65536 if page == 1 else page)
    if path.stat().st_size < expected:
        raise unreadable(
            f"The file is cut off: it has {path.stat().st_size} of {expected} bytes.", "Use a whole copy of it."
        )


def _tell_folded(pages: int, findings: Findings) -> None:
    if pages:
        findings.note("wal_read", f"What {pages} pages of the write-ahead log hold is part of what was read.")
    else:
        findings.warn(
            "wal_not_used", "The write-ahead log beside the file does not belong to it, or is damaged.", _COPY
        )
