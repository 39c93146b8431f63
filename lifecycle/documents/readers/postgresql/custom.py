"""pg_dump's custom archive: every definition in it passes the same list as a plain dump's, and no tool touches it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import BinaryIO, cast

from lifecycle.documents.readers.postgresql.archive import MAGIC, Archive, Entry
from lifecycle.documents.readers.postgresql.dump import THROUGH_ITS_ROOT, Dump, Found
from lifecycle.documents.readers.postgresql.statements import Role
from lifecycle.documents.readers.refusals import unreadable
from lifecycle.documents.reading import Findings, Reader, SourceFile
from opsconsole.exceptions import OperationFailed

# Every kind of entry that pg_dump 9.5 to 18 writes, apart from those that are refused.
_READ = {
    "ACL", "AGGREGATE", "CAST", "CHECK CONSTRAINT", "COLLATION", "COMMENT", "CONSTRAINT", "CONVERSION", "DEFAULT",
    "DEFAULT ACL", "DOMAIN", "ENCODING", "EXTENSION", "FK CONSTRAINT", "FUNCTION", "INDEX", "INDEX ATTACH",
    "MATERIALIZED VIEW", "MATERIALIZED VIEW DATA", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "POLICY",
    "PROCEDURAL LANGUAGE", "PROCEDURE", "PUBLICATION", "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA",
    "ROW SECURITY", "RULE", "SCHEMA", "SEARCHPATH", "SECURITY LABEL", "SEQUENCE", "SEQUENCE OWNED BY", "SEQUENCE SET",
    "SHELL TYPE", "STATISTICS", "STATISTICS DATA", "STDSTRINGS", "TABLE", "TABLE ATTACH", "TABLE DATA",
    "TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY", "TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE", "TRIGGER",
    "TYPE", "VIEW",
}  # fmt: skip
_LARGE_OBJECTS = {"BLOB", "BLOBS", "BLOB METADATA", "BLOB COMMENTS"}
_OF_THE_DATABASE = {"DATABASE", "DATABASE PROPERTIES"}  # pg_restore leaves them out as well, without --create
_REFUSED = {
    "EVENT TRIGGER": "event triggers",
    "SUBSCRIPTION": "subscriptions",
    "SUBSCRIPTION TABLE": "subscriptions",
    "SERVER": "foreign servers",
    "USER MAPPING": "foreign servers",
    "FOREIGN DATA WRAPPER": "foreign tables or wrappers",
    "FOREIGN TABLE": "foreign tables or wrappers",
    "ACCESS METHOD": "access methods",
    "TRANSFORM": "transforms",
}


class PgDumpCustom(Reader):
    """`pg_dump --format=custom`."""

    name = "pg-dump-custom"
    label = "PostgreSQL dump (custom archive)"

    def recognises(self, files: Sequence[SourceFile]) -> bool:
        return len(files) == 1 and files[0].beginning(len(MAGIC)) == MAGIC

    def rows(self, files: Sequence[SourceFile], findings: Findings) -> Found:
        with files[0].open() as stream:
            archive = Archive(stream, files[0].size)
            if not _allowed(archive, findings):
                return
            dump = Dump(findings)
            for entry in archive.entries:
                yield from _told_where(entry, _entry(archive, entry, dump))
                if dump.stopped:
                    return
            yield from dump.end()


def _allowed(archive: Archive, findings: Findings) -> bool:
    """Whether every entry is of a kind that is read; told before the first row is looked at."""
    for kind in sorted({entry.kind for entry in archive.entries}):
        if kind in _REFUSED:
            findings.refuse(
                "foreign_code",
                f"The archive defines {_REFUSED[kind]}, which may run programs or reach other servers.",
                "Nothing of it was run. Have it looked at, and dump only the tables: pg_dump --table=...",
            )
        elif kind not in _READ | _LARGE_OBJECTS | _OF_THE_DATABASE:
            findings.refuse(
                "unexpected_entry",
                f"The archive has an entry of the kind {kind[:60]!r}, which pg_dump 9.5 to 18 does not write.",
                "Use another copy of it, or dump again with one of these.",
            )
    return not any(problem.level == "error" for problem in findings.problems)


def _entry(archive: Archive, entry: Entry, dump: Dump) -> Found:
    if entry.kind in _OF_THE_DATABASE:
        return
    if entry.kind in _LARGE_OBJECTS:
        dump.count(Role.LOST, "large objects")
        return
    place = f"In {entry.kind} {entry.name[:60]}: "
    if entry.definition and entry.kind != "TABLE DATA":
        yield from dump.part(io.BytesIO(entry.definition), place)
    if entry.kind == "TABLE DATA":
        if not entry.copy:
            dump.announce(entry.schema, entry.name)
        if entry.has_rows and not dump.stopped:
            yield from _rows(archive, entry, dump, place)


def _rows(archive: Archive, entry: Entry, dump: Dump, place: str) -> Found:
    """The COPY statement with its data behind it, as in a plain dump; INSERTs need no statement before them."""
    text = _Behind(entry.definition + b"\n" + entry.copy, archive.rows(entry))
    through_its_root = entry.definition.startswith(THROUGH_ITS_ROOT)
    name = f"{entry.schema}.{entry.name}" if entry.schema else entry.name
    for table, row in dump.part(cast(BinaryIO, text), place):
        if table != name and entry.copy and not through_its_root:
            raise unreadable(f"The entry of {name} holds rows of {table}: the archive is damaged.")
        yield table, row


def _told_where(entry: Entry, rows: Found) -> Found:
    try:
        yield from rows
    except OperationFailed as error:
        why = f"In {entry.kind} {entry.name[:60]}: {error.why}"
        raise OperationFailed(error.code, why, error.next_step) from error


class _Behind:
    """Some bytes, and a stream behind them."""

    def __init__(self, first: bytes, rest: io.BufferedReader) -> None:
        self._first = first
        self._rest = rest

    def read(self, count: int) -> bytes:
        first, self._first = self._first, b""
        return first or self._rest.read(count)
